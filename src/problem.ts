/**
 * The catalogue of problems: the one place for codes, severities and hints.
 *
 * A problem is data. It never stops the versions beside it. Only when the
 * whole run cannot go on is it thrown, inside a FatalError.
 *
 * Severities are those of the product: an error asks someone to act; a
 * warning is what go refuses too, or what looks suspicious; a note informs.
 *
 * Codes are public and never renamed. docs/problems.md is made from this file.
 *
 * Pure.
 */

export type Severity = 'error' | 'warning' | 'note'

export interface CatalogueEntry {
  readonly severity: Severity
  /** What the code means, for the documentation. */
  readonly about: string
  /** The one thing to do next. */
  readonly hint: string
}

/** Every code, in the order of the catalogue. Public, never renamed. */
export type ProblemCode =
  | 'repository-not-found'
  | 'repository-unreadable'
  | 'repository-format'
  | 'repository-empty'
  | 'clone-failed'
  | 'listing-failed'
  | 'repository-vanished'
  | 'repository-forbidden'
  | 'repository-hidden'
  | 'repositories-left-out'
  | 'repositories-none'
  | 'root-shared'
  | 'root-claimed'
  | 'shallow'
  | 'shallow-no-tags'
  | 'default-branch-unknown'
  | 'object-missing'
  | 'object-corrupt'
  | 'needs-git'
  | 'ref-broken'
  | 'tag-not-commit'
  | 'tag-not-canonical'
  | 'tag-misplaced'
  | 'tag-moved'
  | 'tag-moved-same-tree'
  | 'tag-deleted'
  | 'branch-like-version'
  | 'branch-unreachable'
  | 'branch-missing'
  | 'commit-unknown'
  | 'pseudo-version-invalid'
  | 'time-invalid'
  | 'gomod-missing'
  | 'gomod-no-module-path'
  | 'gomod-not-regular'
  | 'gomod-syntax'
  | 'gomod-too-large'
  | 'gomod-case'
  | 'gomod-path-differs'
  | 'major-version-mismatch'
  | 'module-ambiguous'
  | 'module-path-invalid'
  | 'module-shadowed'
  | 'path-reserved'
  | 'go-too-new'
  | 'file-path-invalid'
  | 'file-path-too-long'
  | 'file-collision'
  | 'tree-invalid'
  | 'zip-too-large'
  | 'license-too-large'
  | 'host-file-too-large'
  | 'host-too-many-files'
  | 'host-site-too-large'
  | 'version-changed'
  | 'version-damaged'
  | 'shard-rebuilt'
  | 'url-missing'
  | 'usage'
  | 'config-invalid'
  | 'config-missing'
  | 'output-unwritable'
  | 'output-locked'
  | 'store-failed'
  | 'store-unconditional'
  | 'credentials-missing'
  | 'publish-raced'
  | 'target-failed'
  | 'url-differs'
  | 'site-newer'
  | 'site-damaged'
  | 'live-missing'
  | 'live-exists'
  | 'live-unreachable'
  | 'live-damaged'
  | 'site-missing'
  | 'site-unreachable'
  | 'site-unreadable'
  | 'certificate-invalid'
  | 'certificate-expiring'
  | 'http-plain'
  | 'site-redirected'
  | 'missing-forbidden'
  | 'missing-unauthorized'
  | 'missing-answered'
  | 'missing-redirected'
  | 'missing-failing'
  | 'missing-cached'
  | 'gatekeeper-open'
  | 'file-missing'
  | 'file-forbidden'
  | 'file-redirected'
  | 'file-unreadable'
  | 'file-replaced'
  | 'file-cut'
  | 'plus-misread'
  | 'bang-misread'
  | 'name-encoding'
  | 'case-folded'
  | 'encoding-wrong'
  | 'zip-encoded'
  | 'zip-altered'
  | 'zip-repacked'
  | 'mod-altered'
  | 'info-altered'
  | 'list-stale'
  | 'list-extra'
  | 'answer-stale'
  | 'withdrawn-served'
  | 'page-unresolvable'
  | 'pages-unindexed'
  | 'record-damaged'
  | 'record-stale'
  | 'site-unsettled'
  | 'cached-long'
  | 'lifetime-missing'
  | 'private-cached'
  | 'type-misleading'
  | 'private-but-readable'
  | 'login-page'
  | 'consumer-goproxy'
  | 'consumer-bypass'
  | 'consumer-sumdb'
  | 'consumer-flags'
  | 'consumer-insecure'
  | 'consumer-netrc'
  | 'mirror-lags'
  | 'mirror-differs'
  | 'sum-differs'
  | 'sum-missing'
  | 'interrupted'
  | 'internal-error'

const catalogue: Readonly<Record<ProblemCode, CatalogueEntry>> = {
  // The repository
  'repository-not-found': {
    severity: 'error',
    about: 'The configured directory is not a git repository, or does not exist.',
    hint: 'Correct "dir" in the configuration, or clone the repository there.',
  },
  'repository-unreadable': {
    severity: 'error',
    about: 'The repository cannot be opened or its refs cannot be listed.',
    hint: 'Look at the repository with "git fsck", or clone it afresh. What is published stays.',
  },
  'repository-format': {
    severity: 'error',
    about: 'The repository uses a storage format that the chosen git reader does not know.',
    hint: 'Set "git: native" and install git, or clone the repository in the ordinary format.',
  },
  'repository-empty': {
    severity: 'note',
    about: 'The repository has no commit, or nothing in it is a module.',
    hint: 'Push a commit with a go.mod file, and a tag such as v0.1.0.',
  },
  'clone-failed': {
    severity: 'error',
    about: 'The address could not be cloned or fetched.',
    hint: 'Try "git ls-remote" with this address. For a token, set MODPRESS_TOKEN_<HOST> or a git credential helper.',
  },
  'listing-failed': {
    severity: 'error',
    about:
      'The repositories of an owner could not be listed, or not all of them. What is published of them stays, and nothing new is taken in.',
    hint: 'Run again later. What is published stays.',
  },
  'repository-vanished': {
    severity: 'warning',
    about:
      'A published repository is no longer in the list that it came from: it was deleted, renamed or moved, or the token sees less than before. Its versions stay.',
    hint: 'Nothing is lost. If it was moved, give it an entry of its own with "root" and its new "clone".',
  },
  'repository-forbidden': {
    severity: 'warning',
    about: 'A repository is listed, and cannot be read. What is published of it stays.',
    hint: 'Let the token read its contents, or leave the repository out with "exclude".',
  },
  'repository-hidden': {
    severity: 'warning',
    about:
      'A repository that a public site has published can no longer be seen by everyone. Its versions stay public, and nothing new is taken in.',
    hint: 'If the versions were never meant to be public, take them down with "modpress withdraw".',
  },
  'repositories-left-out': {
    severity: 'note',
    about:
      'Some listed repositories cannot be seen by everyone, as the site can, and were left out. They are counted, and not named: a report may be public, too.',
    hint: 'To take them in, make the site private: "access: private". To be silent about them, name them in "exclude".',
  },
  'repositories-none': {
    severity: 'warning',
    about:
      'No git repository lies where the pattern of an entry says, so that the entry adds nothing to the site.',
    hint: 'Correct "dir": it is relative to the configuration. Or clone the repositories there first.',
  },
  'root-shared': {
    severity: 'error',
    about:
      'Two listed repositories get the same root. The one that the site holds already goes on, else neither.',
    hint: 'Write {path} instead of {name} in "root", or leave one of them out with "exclude".',
  },
  'root-claimed': {
    severity: 'error',
    about: 'The site already holds this root from another clone address.',
    hint: 'Set "clone" to the address the site was built from; remove the shard below -/manifest only if the root really moved.',
  },
  shallow: {
    severity: 'warning',
    about:
      'The clone is shallow: tags are published, but no pseudo-version, branch or @latest of a commit can be right.',
    hint: 'Fetch the whole history: "git fetch --unshallow --tags", or fetch-depth: 0 in CI.',
  },
  'shallow-no-tags': {
    severity: 'error',
    about: 'The clone is shallow and holds no version tag, so nothing could be published from it.',
    hint: 'In CI, check out with fetch-depth: 0 (GitHub) or GIT_DEPTH: "0" (GitLab), so that tags are there.',
  },
  'default-branch-unknown': {
    severity: 'warning',
    about:
      'Nothing says which branch is the default one, so that untagged modules are not found and have no @latest.',
    hint: 'Set "defaultBranch" for this repository, or run "git remote set-head origin --auto" in the clone.',
  },
  'object-missing': {
    severity: 'error',
    about: 'A git object that the version needs is not in the clone.',
    hint: 'Fetch again without a filter (partial clones lack objects), or clone the repository afresh.',
  },
  'object-corrupt': {
    severity: 'error',
    about: 'A git object is damaged, does not fit its id, or is not what its tree says.',
    hint: 'Run "git fsck" in the clone and clone it afresh if that complains.',
  },
  'needs-git': {
    severity: 'error',
    about: 'The reader without git cannot do this exactly as go does, so it does not do it at all.',
    hint: 'Install git, or set "git: auto" or "git: native".',
  },

  // Refs
  'ref-broken': {
    severity: 'error',
    about: 'A ref is damaged: it names no object, or its name is not one that git allows.',
    hint: 'Delete the ref in the repository and create it again.',
  },
  'tag-not-commit': {
    severity: 'warning',
    about: 'A version tag points to a tree or a file instead of a commit.',
    hint: 'Delete the tag and tag a commit.',
  },
  'tag-not-canonical': {
    severity: 'warning',
    about:
      'A tag looks like a version and is none in the canonical form vMAJOR.MINOR.PATCH, so go does not list it.',
    hint: 'Tag the commit again in the canonical form.',
  },
  'tag-misplaced': {
    severity: 'warning',
    about: 'A tag for the top of the repository, where there is no go.mod, while modules lie in directories.',
    hint: 'Tags of a module in a directory begin with the directory.',
  },
  'tag-moved': {
    severity: 'error',
    about: 'A tag points to other content than when its version was published. The first content stays.',
    hint: 'Move the tag back, or release the next version with a retract directive for this one. Accept with --accept-moved.',
  },
  'tag-moved-same-tree': {
    severity: 'warning',
    about: 'A tag points to another commit with the same content. The first commit stays in .info.',
    hint: 'Nothing is lost. Avoid moving tags; accept with --accept-moved.',
  },
  'tag-deleted': {
    severity: 'warning',
    about: 'The tag of a published version is gone. The version stays.',
    hint: 'Push the tag again, or retract the version in go.mod.',
  },
  'branch-like-version': {
    severity: 'warning',
    about: 'A branch has the name of a version. The go command refuses to use it as one.',
    hint: 'Rename the branch, or tag the commit.',
  },
  'branch-unreachable': {
    severity: 'warning',
    about:
      'A configured branch has a name that the go command never asks a proxy for, such as one with a slash.',
    hint: 'Use a commit hash with go get, or a branch name without slash.',
  },
  'branch-missing': {
    severity: 'warning',
    about: 'A configured branch does not exist in the repository.',
    hint: 'Correct "branches" or "defaultBranch" in the configuration.',
  },
  'commit-unknown': {
    severity: 'error',
    about:
      'A configured revision or pseudo-version names no commit that a branch or tag of the repository reaches.',
    hint: 'Correct "commits" in the configuration; 7 or more digits of the id are needed.',
  },
  'pseudo-version-invalid': {
    severity: 'warning',
    about: 'A configured pseudo-version does not agree with its commit, so that go refuses it too.',
    hint: 'Ask go for the right one: go list -m MODULE@COMMIT.',
  },
  'time-invalid': {
    severity: 'warning',
    about: 'The commit has no valid committer time, which .info needs.',
    hint: 'Commit again with a valid date and move the release to the next version.',
  },

  // Modules and go.mod
  'gomod-missing': {
    severity: 'warning',
    about: 'A tag names a directory or major version for which there is no go.mod.',
    hint: 'Add the go.mod in that directory and tag the next version.',
  },
  'gomod-no-module-path': {
    severity: 'warning',
    about: 'The go.mod has no readable module line.',
    hint: 'Write "module PATH" in the first line and tag the next version.',
  },
  'gomod-not-regular': {
    severity: 'warning',
    about: 'The go.mod is a symbolic link or a directory.',
    hint: 'Commit go.mod as a regular file and tag the next version.',
  },
  'gomod-syntax': {
    severity: 'error',
    about: 'The go.mod would break every query about the module: it has a NUL byte or two module lines.',
    hint: 'Mend the go.mod and tag the next version; "go mod edit -json" shows the fault.',
  },
  'gomod-too-large': {
    severity: 'warning',
    about: 'The go.mod is larger than 16 MiB, the most that go reads.',
    hint: 'Shorten go.mod and tag the next version.',
  },
  'gomod-case': {
    severity: 'warning',
    about: 'A file is named go.mod in other letter case, which go refuses.',
    hint: 'Rename the file to go.mod and tag the next version.',
  },
  'gomod-path-differs': {
    severity: 'warning',
    about:
      'The go.mod declares another path than the one it is published under, so that it serves only replace directives.',
    hint: 'If this is no fork, correct "root" in the configuration or the module line.',
  },
  'major-version-mismatch': {
    severity: 'warning',
    about: 'The major version of the tag and of the path in go.mod differ.',
    hint: 'From v2 on the module path ends in /vN. Correct the module line and tag the next version.',
  },
  'module-ambiguous': {
    severity: 'warning',
    about: 'Both a directory and its vN subdirectory hold a go.mod for this major version.',
    hint: 'Keep one of the two go.mod files and tag the next version.',
  },
  'module-path-invalid': {
    severity: 'warning',
    about: 'The directory gives a module path that go does not allow.',
    hint: 'Rename the directory, or leave it out with "directories: { exclude: […] }".',
  },
  'module-shadowed': {
    severity: 'warning',
    about: 'The module path belongs to another configured repository, whose root is longer.',
    hint: 'Leave the directory out with "directories: { exclude: […] }", or correct the roots.',
  },
  'path-reserved': {
    severity: 'error',
    about: 'The module would fall on a path that the site needs for itself.',
    hint: "Rename the module's first path element, or serve the site from another prefix.",
  },
  'go-too-new': {
    severity: 'error',
    about: 'The go directive is newer than the newest Go whose zip rules this release knows.',
    hint: 'Update modpress, or raise "maxGo" when you know that the zip rules are the same.',
  },

  // Files of a version
  'file-path-invalid': {
    severity: 'warning',
    about: 'A file has a name that a module zip must not hold.',
    hint: 'Rename the file and tag the next version.',
  },
  'file-path-too-long': {
    severity: 'error',
    about: 'A path is longer than file systems can hold (255 bytes an element, 4000 in all).',
    hint: 'Shorten the path and tag the next version.',
  },
  'file-collision': {
    severity: 'warning',
    about:
      'Two files fall together where letter case does not count, or a file and a directory have one name.',
    hint: 'Rename one of them and tag the next version.',
  },
  'tree-invalid': {
    severity: 'warning',
    about: 'The commit holds a name that git itself refuses to write, such as ".." or ".git".',
    hint: 'Remove the entry with a new commit and tag the next version.',
  },
  'zip-too-large': {
    severity: 'warning',
    about: 'The files of the module, or its zip, are larger than 500 MiB, the most that go takes.',
    hint: 'Move large files out of the module and tag the next version.',
  },
  'license-too-large': {
    severity: 'warning',
    about: 'The LICENSE is larger than 16 MiB, the most that go takes.',
    hint: 'Shorten LICENSE and tag the next version.',
  },

  // The host
  'host-file-too-large': {
    severity: 'error',
    about:
      'A file is larger than the host takes: the zip of a version, which is not published then, or another file.',
    hint: 'Move large files out of the module and tag the next version, or serve the site from another host.',
  },
  'host-too-many-files': {
    severity: 'error',
    about: 'The site has more files than the host takes, which would refuse all of it.',
    hint: 'Serve the site from a bucket or a server of your own, or leave versions out with "versions". If your plan allows more, accept it.',
  },
  'host-site-too-large': {
    severity: 'error',
    about: 'The site is larger than the host takes, which would refuse all of it.',
    hint: 'Serve the site from a bucket or a server of your own, or leave versions out with "versions". If your plan allows more, accept it.',
  },

  // The site
  'version-changed': {
    severity: 'error',
    about:
      'The site holds a version with other hashes than the repository now gives. The published files stay.',
    hint: 'Find out who wrote the published files; release the next version.',
  },
  'version-damaged': {
    severity: 'error',
    about: 'A published file of the version is missing or damaged in the site.',
    hint: "Restore the file from a backup or from a consumer's module cache.",
  },
  'shard-rebuilt': {
    severity: 'warning',
    about: 'The record of a repository was missing or damaged and was made again from the published files.',
    hint: 'Nothing to do. If it happens again, look at what else writes into the site.',
  },
  'url-missing': {
    severity: 'note',
    about: 'The site\'s address is not known, so pages carry no go-import tag of kind "mod".',
    hint: 'Set "url" in the configuration, --url or MODPRESS_URL.',
  },

  // The whole run
  usage: {
    severity: 'error',
    about: 'The command line is not understood.',
    hint: 'See modpress --help.',
  },
  'config-invalid': {
    severity: 'error',
    about: 'The configuration has an unknown key or a value that is not allowed.',
    hint: 'See docs/configuration.md.',
  },
  'config-missing': {
    severity: 'error',
    about: 'There is no configuration, and the current directory is not a git repository.',
    hint: 'Write modpress.config.yaml, or run modpress inside a clone of a Go module.',
  },
  'output-unwritable': {
    severity: 'error',
    about: 'The output cannot be written.',
    hint: "Check the directory's permissions and the free space.",
  },
  'output-locked': {
    severity: 'error',
    about: 'Another build is writing this site.',
    hint: 'Wait for it and run again. A lock of a dead process is taken over by itself.',
  },
  'store-failed': {
    severity: 'error',
    about: 'The object storage refused a request, or could not be reached.',
    hint: 'Check the bucket, the region, the endpoint and what the credentials are allowed to do. What is published stays.',
  },
  'store-unconditional': {
    severity: 'error',
    about:
      'The object storage overwrites an object that should only have been created, so that two publishers could lose versions.',
    hint: 'Use a storage with conditional writes, or let only one job publish at a time and say so with --assume-single-writer.',
  },
  'credentials-missing': {
    severity: 'error',
    about: 'There are no credentials for the object storage, or they could not be fetched.',
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in AWS_PROFILE, or let the CI job assume a role.',
  },
  'target-failed': {
    severity: 'error',
    about: 'Of several targets, one could not be published to.',
    hint: 'Run it again; what is there already is found then.',
  },
  'url-differs': {
    severity: 'error',
    about: 'The site is served at another address than the one that this run is for.',
    hint: 'Take the right address, or none: the one of the site is used then. To move the site, run "modpress index TARGET --url URL" first.',
  },
  'publish-raced': {
    severity: 'error',
    about: 'Other publishers were faster again and again.',
    hint: 'Run it again. Nothing is lost: what was written is found then.',
  },
  'site-newer': {
    severity: 'error',
    about: 'The site was written by a newer modpress, in a format that this one does not know.',
    hint: 'Update modpress.',
  },
  'site-damaged': {
    severity: 'error',
    about:
      'The record of a module, from which the front page is made, cannot be read, so that the page lacks the module.',
    hint: 'Remove the file, and the shard of its repository below -/manifest: the next build makes both anew.',
  },
  'live-missing': {
    severity: 'error',
    about: 'There is no site where --live looks for one.',
    hint: 'Correct the address. If nothing was ever deployed there, pass --new, this time only.',
  },
  'live-exists': {
    severity: 'error',
    about: 'With --new nothing may be live yet, and something is, which would be replaced.',
    hint: 'Leave --new out: it is for the very first time.',
  },
  'live-unreachable': {
    severity: 'error',
    about: 'The live site, or a file that it names, cannot be read. Nothing was written.',
    hint: 'Look at the address with curl, and run again.',
  },
  'live-damaged': {
    severity: 'error',
    about:
      'A file of the live site is missing, or is not what the site itself says of it. Nothing was written.',
    hint: 'If a deployment is under way, or a cache holds older files, run again later. Else mend the site, or deploy an earlier one again.',
  },

  // A deployment, as verify finds it
  'site-missing': {
    severity: 'error',
    about: 'There is no site where verify looks for one.',
    hint: 'Correct the target. An address must be that of the whole site, which is what GOPROXY is set to.',
  },
  'site-unreachable': {
    severity: 'error',
    about: 'The server of the site does not answer, or says that it cannot.',
    hint: 'Look at the address with curl. If a deployment is under way, run again later.',
  },
  'site-unreadable': {
    severity: 'error',
    about:
      'The site answers with a refusal, a login or a page where its own record should be, so that nothing can be verified.',
    hint: 'Give credentials by MODPRESS_AUTH, .netrc or in the address; a login in a browser is none that go can pass. Some hosts also say 403 for what is not there.',
  },
  'certificate-invalid': {
    severity: 'error',
    about:
      'The TLS certificate of the site is expired, for another name, or of an authority that is not trusted: go refuses it, too.',
    hint: 'Renew the certificate, with all that lies between it and the authority. Name an authority of your own in SSL_CERT_FILE, for go as for modpress.',
  },
  'certificate-expiring': {
    severity: 'warning',
    about: 'The TLS certificate of the site expires within two weeks.',
    hint: 'Renew the certificate, and look why that is not done by itself.',
  },
  'http-plain': {
    severity: 'warning',
    about: 'The site is read over plain http at an address that is not local.',
    hint: 'Serve it over https: go sends credentials over nothing else, and answers can be changed on the way.',
  },
  'site-redirected': {
    severity: 'warning',
    about: 'The address redirects to another one, so that each request is made twice.',
    hint: 'Name the address that it leads to, in GOPROXY and in the configuration as "url".',
  },
  'missing-forbidden': {
    severity: 'error',
    about:
      'What is not there is answered with 403. Go asks the next proxy after 404 and 410 alone, so that modules from elsewhere cannot be had.',
    hint: 'Let the host answer 404 for what is not there.',
  },
  'missing-unauthorized': {
    severity: 'error',
    about: 'What is not there is answered with 401, although what is there can be read.',
    hint: 'Let the host answer 404 for what is not there, and ask for credentials for all of the site or for nothing.',
  },
  'missing-answered': {
    severity: 'error',
    about: 'What is not there is answered with 200: go takes the answer for a module, and fails.',
    hint: 'Let the host answer 404 for what is not there: no fallback to a front page, and no error with the status 200.',
  },
  'missing-redirected': {
    severity: 'error',
    about: 'What is not there is answered with a redirect to a login or to another page.',
    hint: 'Let the host answer 404 for what is not there, without a redirect.',
  },
  'missing-failing': {
    severity: 'error',
    about: 'What is not there is answered with an error of the server, or not at all.',
    hint: 'Let the host answer 404 for what is not there, and look into its log for the reason.',
  },
  'missing-cached': {
    severity: 'warning',
    about: 'A 404 may be kept by a cache, so that a version that was just published is not seen.',
    hint: 'Send no lifetime with a 404, and let no cache keep one.',
  },
  'gatekeeper-open': {
    severity: 'warning',
    about:
      'The site is configured with a gatekeeper, and the host answers 404 for an unknown module of its own, whose name so reaches the next proxy.',
    hint: 'Use the rules of the site for the host, in -/host/, or set "gatekeeper: false".',
  },
  'file-missing': {
    severity: 'error',
    about: 'A file that the site names is not there.',
    hint: 'Deploy the site again, all of it. For a bucket, run "modpress publish" again.',
  },
  'file-forbidden': {
    severity: 'error',
    about: 'A file that the site names may not be read.',
    hint: 'Let the host serve the file to whoever may read the site; look at the modes of files and at policies.',
  },
  'file-redirected': {
    severity: 'error',
    about:
      'A request for a file of the site is redirected: to another content, or where go does not follow, as to plain http.',
    hint: 'Let redirects keep the path and https, or leave them out.',
  },
  'file-unreadable': {
    severity: 'error',
    about:
      'A file of the site is answered with an error, with a status that go takes for one, or not at all.',
    hint: 'Ask for the file with curl, and look into the log of the host.',
  },
  'file-replaced': {
    severity: 'error',
    about: 'A file of the proxy is answered with a page or an error with the status 200.',
    hint: 'Let the host answer files as they are, and errors with their status.',
  },
  'file-cut': {
    severity: 'error',
    about: 'A file of the site ends before its end.',
    hint: 'Deploy the file again, and look for a limit of size or time in the host or in what is in front of it.',
  },
  'plus-misread': {
    severity: 'error',
    about: 'The host reads "+" in a path as a space, so that go finds no "+incompatible" version.',
    hint: 'Let the host read "+" as it is, or keep a second file with a space in its name.',
  },
  'bang-misread': {
    severity: 'error',
    about:
      'The host does not read "%21" in a path as "!", so that go finds no module with an upper-case letter.',
    hint: 'Let the host decode the path before it looks for the file.',
  },
  'name-encoding': {
    severity: 'warning',
    about:
      'A file that is found as go spells its name is not found as others spell it, with more or less of it encoded.',
    hint: 'Let the host decode the path before it looks for the file.',
  },
  'case-folded': {
    severity: 'warning',
    about: 'Letter case does not count at the host, so that pages of two modules may be one file.',
    hint: 'Use a host where letter case counts. Files of the proxy are safe: "!" stands for upper case.',
  },
  'encoding-wrong': {
    severity: 'error',
    about:
      'The host sends a Content-Encoding that go did not ask for, or one that the content does not have.',
    hint: 'Let the host send files as they are, without Content-Encoding.',
  },
  'zip-encoded': {
    severity: 'note',
    about: 'The host compresses zips once more, which costs time and gains nothing.',
    hint: 'Leave application/zip out of what the host compresses.',
  },
  'zip-altered': {
    severity: 'error',
    about: 'A zip is not the one that was published: its hash is another.',
    hint: 'Deploy the published file again, from a backup or a mirror; never one that was made anew. Consumers see "checksum mismatch" until then.',
  },
  'zip-repacked': {
    severity: 'note',
    about: 'A zip has the right content in other bytes than were published.',
    hint: 'Nothing has to be done: go looks at the content. Look for what packs files anew on their way.',
  },
  'mod-altered': {
    severity: 'error',
    about: 'A go.mod file is not the one that was published.',
    hint: 'Deploy the published file again, and look for what changes text on its way, such as line ends.',
  },
  'info-altered': {
    severity: 'error',
    about: 'A .info file does not say what was published: another version, time or commit.',
    hint: 'Deploy the published file again, and look for what changes it on its way.',
  },
  'list-stale': {
    severity: 'error',
    about: 'The list of a module lacks versions that are published.',
    hint: 'If a deployment was just made, run again in a minute. Else purge caches, and run "modpress index" or the build again.',
  },
  'list-extra': {
    severity: 'error',
    about: 'The list of a module names versions that are not published, which go then cannot fetch.',
    hint: 'If a deployment was just made, run again in a minute. Else purge caches, and run the build again.',
  },
  'answer-stale': {
    severity: 'error',
    about: 'The answer to @latest or to a branch is not the version that it should be.',
    hint: 'If a deployment was just made, run again in a minute. Else purge caches, and run the build again.',
  },
  'withdrawn-served': {
    severity: 'error',
    about: 'Files of a version that was withdrawn can still be read.',
    hint: 'Purge the caches in front of the site, and deploy all of it again; a bucket may keep older versions of objects, too.',
  },
  'page-unresolvable': {
    severity: 'error',
    about: 'Go cannot learn from the page of a module where the module is.',
    hint: 'Deploy the page again, let nothing rewrite HTML on its way, and see that "url" is the address of the site.',
  },
  'pages-unindexed': {
    severity: 'warning',
    about:
      'The host does not answer a directory with its index.html, so that go finds no module by its import path alone.',
    hint: 'Let the host answer directories with their index.html. With GOPROXY set to the site, go needs no pages.',
  },
  'record-damaged': {
    severity: 'error',
    about: 'What the site records of itself cannot be read.',
    hint: 'Deploy the site again; for a bucket or a directory, remove the file and run the build again.',
  },
  'record-stale': {
    severity: 'warning',
    about:
      'Two records of the site are of different times, as while a deployment is under way or where a cache holds one of them.',
    hint: 'Run again in a minute. If it stays, purge caches below /-/.',
  },
  'site-unsettled': {
    severity: 'note',
    about: 'A publisher is at work, or was stopped: the lists of a repository are not compared.',
    hint: 'Run the build or the publish again: it finishes the work.',
  },
  'cached-long': {
    severity: 'warning',
    about: 'A file that changes may be kept for longer than an hour.',
    hint: 'Let the host send Cache-Control: max-age=60 for lists, @latest, pages and all below /-/, and "immutable" for files of versions alone.',
  },
  'lifetime-missing': {
    severity: 'warning',
    about: 'A file that changes has no lifetime, and a cache on the way decides how long it keeps it.',
    hint: 'Let the host send Cache-Control: max-age=60 for lists and @latest.',
  },
  'private-cached': {
    severity: 'warning',
    about: 'Files of a private site may be kept by caches that others read.',
    hint: 'Let the host send "private" instead of "public" in Cache-Control.',
  },
  'type-misleading': {
    severity: 'note',
    about: 'A file of the proxy is served as HTML, which some hosts rewrite.',
    hint: 'Let the host send text/plain for lists and .mod, application/json for .info and @latest, application/zip for zips.',
  },
  'private-but-readable': {
    severity: 'error',
    about:
      'The site is private, and can be read without credentials, or with any. At a local address this is a note.',
    hint: 'Take the site off until the host asks for credentials; what was readable may have been copied. Or set "access: public" if that is meant.',
  },
  'login-page': {
    severity: 'warning',
    about:
      'Without credentials the host shows a login page instead of an error, which go takes for an answer.',
    hint: 'Let the host answer 401 to those who give no credentials.',
  },
  'consumer-goproxy': {
    severity: 'note',
    about: 'GOPROXY on this machine does not name the site, so that go asks others for its modules.',
    hint: 'See "modpress env", or -/setup/ of the site, for what to set.',
  },
  'consumer-bypass': {
    severity: 'warning',
    about: 'GOPRIVATE or GONOPROXY on this machine makes go bypass the site.',
    hint: 'Set GONOPROXY=none beside GOPRIVATE, or GONOSUMDB instead of it.',
  },
  'consumer-sumdb': {
    severity: 'warning',
    about:
      'Go on this machine asks the public checksum database for private modules, which knows none of them and learns their names.',
    hint: 'Add the prefix to GONOSUMDB: go env -w GONOSUMDB=PREFIX.',
  },
  'consumer-flags': {
    severity: 'warning',
    about: 'GOFLAGS on this machine keep go from asking any proxy, or from running at all.',
    hint: 'Change it with "go env -w GOFLAGS=…", or unset the variable.',
  },
  'consumer-insecure': {
    severity: 'warning',
    about: 'GOINSECURE on this machine turns off the checks of TLS for the modules of the site.',
    hint: 'Take the prefix out of GOINSECURE.',
  },
  'consumer-netrc': {
    severity: 'warning',
    about: '.netrc on this machine names the site in a way that go does not use.',
    hint: 'Write "machine HOST:PORT login USER password PASSWORD", with the port where it is not 443.',
  },
  'mirror-lags': {
    severity: 'warning',
    about: 'A later target lacks versions that the first one has.',
    hint: 'Publish to the mirror, or copy the site to it again.',
  },
  'mirror-differs': {
    severity: 'error',
    about: 'A later target has a version with another hash than the first one.',
    hint: 'Find out which was published first, by the go.sum files of consumers files, and deploy that one everywhere.',
  },
  'sum-differs': {
    severity: 'error',
    about: 'The go.sum of a consumer has another hash than the site serves: its next build fails.',
    hint: 'Find out whether the tag was moved or the site was built from another repository. What consumers hold was there first.',
  },
  'sum-missing': {
    severity: 'error',
    about: 'The go.sum of a consumer names a version that the site does not have.',
    hint: 'Add it to the configuration as it is printed below, and publish.',
  },

  interrupted: {
    severity: 'error',
    about: 'The run was stopped from outside. The site is whole, and the next run finishes the work.',
    hint: 'Run the command again.',
  },
  'internal-error': {
    severity: 'error',
    about: 'modpress has a mistake of its own. The site is whole.',
    hint: 'Run again with MODPRESS_DEBUG=1 and report what it prints.',
  },
}

/** Lists the whole catalogue, in its order. */
export const problemCodes: readonly ProblemCode[] = Object.keys(catalogue) as ProblemCode[]

/** What a problem is about. All fields but `repository` are as exact as is known. */
export interface ProblemPlace {
  /** The root import path of the repository. */
  readonly repository?: string
  /** The full ref name. */
  readonly ref?: string
  readonly module?: string
  readonly version?: string
}

export interface Problem extends ProblemPlace {
  readonly code: ProblemCode
  readonly severity: Severity
  /** "module@version" where known, else the root and the ref. */
  readonly subject: string
  /** What happened, with the actual values, as a sentence. */
  readonly message: string
  readonly hint: string
}

/** Makes a problem of the catalogue. `hint` replaces the catalogue's where the next step is known more exactly. */
export function problem(code: ProblemCode, place: ProblemPlace, message: string, hint?: string): Problem {
  const entry = catalogue[code]
  return {
    code,
    severity: entry.severity,
    ...place,
    subject: subjectOf(place),
    message,
    hint: hint ?? entry.hint,
  }
}

/** Returns what the catalogue says of a code. */
export function describeProblem(code: ProblemCode): CatalogueEntry {
  return catalogue[code]
}

/** Tells whether a string is a code of the catalogue. */
export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(catalogue, code)
}

function subjectOf(place: ProblemPlace): string {
  if (place.module !== undefined) {
    return place.version === undefined ? place.module : `${place.module}@${place.version}`
  }
  return [place.repository, place.ref].filter((part) => part !== undefined).join(' ')
}

/** Ends the whole run. `exitCode` is 2 for what the user must mend, 75 for what passes by itself. */
export class FatalError extends Error {
  override readonly name = 'FatalError'
  readonly problem: Problem
  readonly exitCode: 2 | 75

  constructor(problem: Problem, options: { readonly cause?: unknown; readonly exitCode?: 2 | 75 } = {}) {
    super(problem.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.problem = problem
    this.exitCode = options.exitCode ?? 2
  }
}

/** Tells whether a problem is about the clone or the reader, so that what failed for it is worth another try. */
export function isRepairable(found: { readonly code: string } | undefined): boolean {
  const code = found?.code
  return code === 'object-missing' || code === 'object-corrupt' || code === 'needs-git'
}
