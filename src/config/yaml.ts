/**
 * Text in YAML that modpress writes for people: plain where YAML reads it as
 * the same text in any case, else in quotes, as in JSON.
 *
 * Pure.
 */

/** Returns a text as YAML reads it back. */
export function quoteYaml(text: string): string {
  const isWord = /^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text)
  const isPlain = /^[a-z](?:[\w./+-]|:(?=[\w/]))*$/i.test(text)
  return isPlain && !isWord ? text : JSON.stringify(text)
}
