/**
 * What each kind of consumer is given: the text, the name of its file in the
 * site, and what to do with it. A table.
 *
 * Pure.
 */

import { renderDependabot, renderRenovate } from './bots.ts'
import { renderGithub, renderGitlab } from './ci.ts'
import type { Consumer } from './consumers.ts'
import { renderDockerfile } from './docker.ts'
import type { Needs } from './needs.ts'
import { renderShell } from './shell.ts'
import { renderWindows } from './windows.ts'

interface Kind {
  /** As people call it. */
  readonly title: string
  /** The name of the file. */
  readonly file: string
  /** What to do with it, a sentence. */
  readonly use: string
  readonly render: (needs: Needs) => string
}

export const kinds: Readonly<Record<Consumer, Kind>> = {
  shell: {
    title: 'Linux and macOS',
    file: 'shell.sh',
    use: 'Save it, read it, and run it once: sh shell.sh.',
    render: renderShell,
  },
  windows: {
    title: 'Windows',
    file: 'windows.ps1',
    use: 'Save it, read it, and run it once: powershell -ExecutionPolicy Bypass -File windows.ps1.',
    render: renderWindows,
  },
  docker: {
    title: 'Docker',
    file: 'Dockerfile.txt',
    use: 'Take the lines before "go mod download", and that one, into your Dockerfile.',
    render: renderDockerfile,
  },
  github: {
    title: 'GitHub Actions',
    file: 'github.yml',
    use: 'Take the step into your workflow, before the first go command.',
    render: renderGithub,
  },
  gitlab: {
    title: 'GitLab CI',
    file: 'gitlab.yml',
    use: 'Take the hidden job into .gitlab-ci.yml, and let jobs extend it.',
    render: renderGitlab,
  },
  renovate: {
    title: 'Renovate',
    file: 'renovate.json',
    use: 'Take the keys into renovate.json.',
    render: renderRenovate,
  },
  dependabot: {
    title: 'Dependabot',
    file: 'dependabot.yml',
    use: 'Take it into .github/dependabot.yml, and the file go.env to the top of the repository.',
    render: renderDependabot,
  },
}
