// Command grafana-schema holds a dashboard against Grafana's own schema: no field that it does not know, none missing.
//
// Usage: grafana-schema DASHBOARD.json
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		var read dashboard.Dashboard
		// Answers an error without a text where there is none.
		if problem := read.UnmarshalJSONStrict(text); problem != nil && problem.Error() != "" {
			err = problem
		} else if problem := read.Validate(); problem != nil && problem.Error() != "" {
			err = problem
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
