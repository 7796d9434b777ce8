/** The image with Kubernetes' own test program, which run.sh builds. */
export const AGNHOST = 'agnhost:test';
