import { describe, expect, test } from 'vitest'
import { type Choices, chooseSetup, type Wishes } from '../../src/init/choose.ts'
import { describeSteps } from '../../src/init/steps.ts'

const surroundings = {
  root: 'github.com/acme/billing',
  clones: [],
  hasOthers: false,
  origin: 'https://github.com/acme/billing.git',
  hasJobsOf: [],
} as const

function stepsFor(wishes: Wishes): string {
  const choices = chooseSetup(surroundings, wishes) as Choices
  return describeSteps({ choices, files: ['modpress.config.yaml'] }).join('\n')
}

describe('the next steps', () => {
  test('tell who chooses a host that anyone can read', () => {
    expect(stepsFor({ host: 'github-pages' })).toContain('on GitHub Pages everyone can')
    expect(stepsFor({ host: 'netlify' })).toContain('on Netlify everyone can')
    expect(stepsFor({ host: 'nginx' })).not.toContain('everyone')
    expect(stepsFor({ registry: 'acme/registry' })).not.toContain('everyone')
  })

  test('speak of the keys of a bucket only where there is one', () => {
    expect(stepsFor({ target: 's3://registry' })).toContain('AWS_ACCESS_KEY_ID')
    const shared = stepsFor({ target: '/srv/registry' })
    expect(shared).not.toContain('AWS')
    expect(shared).toContain('runner of your own that has the directory')
  })

  test('commit what was written, or what may not be committed yet', () => {
    const choices = chooseSetup(surroundings, { host: 'nginx', ci: 'github' }) as Choices
    const files = ['modpress.config.yaml', '.github/workflows/mod press.yml']
    const commit = "git add modpress.config.yaml '.github/workflows/mod press.yml' && git commit"
    expect(describeSteps({ choices, files })[1]).toMatch(`Commit it: ${commit}`)
    expect(describeSteps({ choices, files, isOld: true })[1]).toMatch(
      `Commit it, if that is not done: ${commit}`,
    )
  })

  test('name no version that may be there already', () => {
    expect(stepsFor({ target: 's3://registry' })).toContain('git tag vX.Y.Z && git push origin vX.Y.Z')
  })
})
