const INDEX = /^\d\d$/;
const BASE = /^[A-Za-z0-9_.+-]{1,128}$/;

/** Throws an Error for what a plugin cannot be called. */
export function checkPluginName(index: string, base: string): void {
  if (!INDEX.test(index)) throw new Error(`the index ${JSON.stringify(index)} is not two digits`);
  if (!BASE.test(base))
    throw new Error(
      `the name ${JSON.stringify(base.slice(0, 128))} has other characters than A-Z, a-z, 0-9, _.+-`,
    );
}

/** The parts of a file's name such as `10-device-injector`. Throws as `checkPluginName`. */
export function splitPluginName(name: string): { index: string; base: string } {
  const [index = '', ...rest] = name.split('-');
  const base = rest.join('-');
  checkPluginName(index, base);
  return { index, base };
}
