import { Code, CriError } from '../util/cri-error.js';

/** With `m`: Engine 29 words an answer of the registry in two lines, `error from registry: denied` and `denied`. */
const credentialsRefused = /(^|: )unauthorized(: |$)|\b401 Unauthorized|no basic auth credentials/m;
const accessDenied = /(^|: )pull access denied\b|(^|: )denied(: |$)|\b403 Forbidden|authorization failed/m;
const unknownImage = /manifest unknown|name unknown|: not found\b|^manifest for \S+ not found/m;
const badSignature = /\bsignature (validation|verification)\b|\btrust data\b/i;
/** Connection, DNS, TLS, proxy and 5xx failures, in the words of Go's net/http and of both image stores. */
const registryDown = new RegExp(
  [
    String.raw`\bdial (tcp|udp)\b`,
    String.raw`\b(read|write) (tcp|udp)\b`,
    'no such host',
    'TLS handshake timeout',
    'tls: ',
    'x509: ',
    'proxyconnect ',
    'server gave HTTP response to HTTPS client',
    'Client\\.Timeout',
    'net/http: request canceled',
    String.raw`: (unexpected )?EOF$`,
    String.raw`unexpected (HTTP )?status\b.*[: ]5\d\d\b`,
  ].join('|'),
  'm',
);

/**
 * What a failed pull tells the kubelet, from the Engine's failure. The Engine's HTTP status says little (500 for most,
 * 404 for denied, 200 once layers have begun), so its text decides. The kubelet picks its reason from the first word
 * of an UNKNOWN error: `RegistryUnavailable` or `SignatureValidationFailed` (cri-api `errors`); all else it shows.
 */
export function pullError(failure: CriError): CriError {
  const { message: text } = failure;
  const translate = (code: Code, message = text) => new CriError(code, message, { cause: failure });
  if (
    failure.code === Code.UNAVAILABLE ||
    failure.code === Code.CANCELLED ||
    failure.code === Code.DEADLINE_EXCEEDED
  ) {
    return failure;
  }
  if (badSignature.test(text)) return translate(Code.UNKNOWN, `SignatureValidationFailed: ${text}`);
  if (registryDown.test(text)) return translate(Code.UNKNOWN, `RegistryUnavailable: ${text}`);
  if (credentialsRefused.test(text)) return translate(Code.UNAUTHENTICATED);
  if (accessDenied.test(text)) return translate(Code.PERMISSION_DENIED);
  if (unknownImage.test(text)) return translate(Code.NOT_FOUND);
  return failure;
}
