/**
 * The go-import and go-source tags, by which `go get` and documentation sites
 * find a module from its import path alone.
 *
 * Two go-import tags have the same prefix: "mod" sends the go command to this
 * site, so that it needs no git and no GOPROXY; "git" tells everybody else
 * where the repository is. Go takes "mod" where both are there. They come first
 * in <head>, since go stops reading at the first thing it cannot parse.
 *
 * Pure. Protocol 7; https://go.dev/ref/mod#vcs-find
 */

import type { ForgeName, RepositoryMeta, SourceTemplate } from '../model.ts'
import { type Html, html } from './html.ts'

/** What the tags of a root say. */
export interface RootMeta extends RepositoryMeta {
  /** The address of the site; absent where it is not known. */
  readonly url?: string
}

/** Returns the tags of every page below a root. */
export function renderRootMeta(meta: RootMeta): Html {
  const { root, url, clone, subdir } = meta
  const subdirField = subdir === '' ? '' : ` ${subdir}`
  const lines = [
    url === undefined ? undefined : html`<meta name="go-import" content="${root} mod ${url}">\n`,
    clone === undefined
      ? undefined
      : html`<meta name="go-import" content="${root} git ${clone}${subdirField}">\n`,
    renderSource(meta),
  ]
  return html`${lines}`
}

/** Returns the tag that lets every import path below the site's address resolve. */
export function renderPrefixMeta(prefix: string, url: string): Html {
  return html`<meta name="go-import" content="${prefix} mod ${url}">\n`
}

function renderSource(meta: RootMeta): Html | undefined {
  const template = sourceTemplate(meta)
  if (template === undefined) return undefined
  const { home, dir, file } = template
  if ([home, dir, file].some((field) => /\s/.test(field))) return undefined
  return html`<meta name="go-source" content="${meta.root} ${home} ${dir} ${file}">\n`
}

/** Returns the templates of a root: those of its forge on its default branch, or the configured ones. */
export function sourceTemplate(meta: RootMeta): SourceTemplate | undefined {
  const { source, web, subdir } = meta
  if (typeof source === 'object') return source
  if (source === undefined || web === undefined) return undefined
  const below = subdir === '' ? '' : `/${subdir}`
  return forges[source](web, meta.branch ?? 'HEAD', below)
}

type Templates = (web: string, branch: string, below: string) => SourceTemplate

const forges: Readonly<Record<ForgeName, Templates>> = {
  github: (web, branch, below) => ({
    home: web,
    dir: `${web}/tree/${branch}${below}{/dir}`,
    file: `${web}/blob/${branch}${below}{/dir}/{file}#L{line}`,
  }),
  gitlab: (web, branch, below) => ({
    home: web,
    dir: `${web}/-/tree/${branch}${below}{/dir}`,
    file: `${web}/-/blob/${branch}${below}{/dir}/{file}#L{line}`,
  }),
  // Gitea asks for the kind of the revision, and "HEAD" is no branch.
  gitea: (web, branch, below) => {
    const revision = branch === 'HEAD' ? 'src/commit/HEAD' : `src/branch/${branch}`
    return {
      home: web,
      dir: `${web}/${revision}${below}{/dir}`,
      file: `${web}/${revision}${below}{/dir}/{file}#L{line}`,
    }
  },
  bitbucket: (web, branch, below) => ({
    home: web,
    dir: `${web}/src/${branch}${below}{/dir}`,
    file: `${web}/src/${branch}${below}{/dir}/{file}#lines-{line}`,
  }),
  cgit: (web, branch, below) => {
    const query = branch === 'HEAD' ? '' : `?h=${branch}`
    return {
      home: web,
      dir: `${web}/tree${below}{/dir}${query}`,
      file: `${web}/tree${below}{/dir}/{file}${query}#n{line}`,
    }
  },
}
