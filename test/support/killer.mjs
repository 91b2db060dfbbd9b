// Loaded before the command: kills the process, as a power cut would, in place of its n-th rename or link.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

let left = Number(process.env.KILL_AT)
for (const name of ['renameSync', 'linkSync']) {
  const original = fs[name]
  fs[name] = (...args) => {
    if (--left === 0) process.kill(process.pid, 'SIGKILL')
    return original(...args)
  }
}
const { link } = fs
fs.link = (...args) => {
  if (--left === 0) process.kill(process.pid, 'SIGKILL')
  link(...args)
}
syncBuiltinESMExports()
