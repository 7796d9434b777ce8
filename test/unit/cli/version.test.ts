import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildInfoText, programName, readBuildInfo, versionLine } from '../../../src/cli/version.js';

describe('version', () => {
  it("prints cri-dockerd's form under the name it was called by", () => {
    const build = { version: '1.2.3', commit: 'abc1234', dependencies: {} };
    assert.equal(versionLine(programName('/usr/bin/cri-dockerd'), build), 'cri-dockerd 1.2.3 (abc1234)');
    assert.equal(versionLine(programName('/opt/cridock/dist/src/main.js'), build), 'cridock 1.2.3 (abc1234)');
    assert.equal(programName(undefined), 'cridock');
  });

  it('reads what this build is made of', () => {
    const build = readBuildInfo();
    assert.match(build.version, /^\d+\.\d+\.\d+/);
    assert.match(
      buildInfoText('cridock', build),
      /^Program: cridock\nVersion: .*\nGitCommit: .*\nNode\.js version: v\d+.*@grpc\/grpc-js: /s,
    );
  });
});
