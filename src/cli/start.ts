#!/usr/bin/env node
/**
 * What is started by the name "modpress". With MODPRESS_DEBUG, places in traces
 * are those of the sources; Node must know that before it loads anything else.
 */

if ((process.env['MODPRESS_DEBUG'] ?? '') !== '') process.setSourceMapsEnabled(true)
await import('./main.ts')
