/**
 * A thread of its own for the work of a build that takes no decisions: it
 * reads, checks and deflates blobs, and writes files. hands.ts starts it and
 * tells it what to do, in the words of hand-messages.ts.
 */

import { createHash, hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { type BlobReader, readerHere } from './batches.ts'
import { eachOf } from './each.ts'
import { type ObjectReader, openObjectReader } from './git/native.ts'
import { ObjectError } from './git/object.ts'
import { type Answer, type Created, describeError, type Task } from './hand-messages.ts'
import { Inbox } from './inbox.ts'
import { type DirectoryStore, openDirectoryStore } from './store/directory.ts'
import { putFile } from './store/store.ts'

const port = parentPort
if (port === null) throw new Error('hand.ts is not a program: hands.ts starts it as a thread.')

interface Opened {
  readonly objects: ObjectReader
  readonly reader: BlobReader
}

const repositories = new Map<number, Opened>()
const stores = new Map<string, Promise<DirectoryStore>>()
/** What arrives of files that come in chunks. */
const inboxes = new Map<number, Inbox>()
const stop = new AbortController()

port.on('message', (task: Task) => {
  perform(task).catch((error: unknown) => {
    port.postMessage({ id: task.id, failure: describeError(error) } satisfies Answer)
  })
})
port.postMessage({ id: 0 } satisfies Answer)

async function perform(task: Task): Promise<void> {
  switch (task.kind) {
    case 'open': {
      const objects = openObjectReader(task.source)
      repositories.set(task.repository, { objects, reader: readerHere(objects) })
      return
    }
    case 'read':
      return read(task)
    case 'create': {
      const created = await create(task)
      const buffer = task.files[0]?.body.buffer as ArrayBuffer
      port?.postMessage({ id: task.id, created, buffer } satisfies Answer, [buffer])
      return
    }
    case 'put':
      await put(task)
      port?.postMessage({ id: task.id } satisfies Answer)
      return
    case 'stream': {
      const created = await createFromChunks(task)
      port?.postMessage({ id: task.id, created } satisfies Answer)
      return
    }
    case 'chunk': {
      await inboxes.get(task.stream)?.put(task.chunk)
      const buffer = task.chunk.buffer as ArrayBuffer
      port?.postMessage({ id: task.id, buffer } satisfies Answer, [buffer])
      return
    }
    case 'end-stream':
      inboxes.get(task.stream)?.end(task.isWhole)
      return
    case 'close': {
      const opened = repositories.get(task.repository)
      repositories.delete(task.repository)
      await opened?.objects.close()
      port?.postMessage({ id: task.id } satisfies Answer)
      return
    }
    case 'stop':
      stop.abort()
      return
    case 'end':
      port?.close()
  }
}

async function read({
  id,
  repository,
  oids,
  largeBytes,
}: Task & Extract<Task, { kind: 'read' }>): Promise<void> {
  const opened = repositories.get(repository)
  if (opened === undefined) throw new Error('The repository is not open.')
  const batch = await opened.reader.read(oids, largeBytes)
  const blobs = batch.map((each) => (each instanceof ObjectError ? describeError(each) : each))
  const buffers = batch.flatMap((each) =>
    'data' in each && each.data instanceof Uint8Array ? [each.data.buffer as ArrayBuffer] : [],
  )
  port?.postMessage({ id, blobs } satisfies Answer, buffers)
}

/** Creates the files one after the other, up to the first that is there already. */
async function create({ root, files }: Extract<Task, { kind: 'create' }>): Promise<Created> {
  const store = await storeOf(root)
  const [first] = files
  const sha256 = first === undefined ? '' : hash('sha256', first.body, 'hex')
  const outcomes = await store.createInOrder(files, { signal: stop.signal })
  return { sha256, outcomes }
}

/** Creates a file of the chunks that arrive. */
async function createFromChunks({ stream, root, path }: Extract<Task, { kind: 'stream' }>): Promise<Created> {
  const inbox = new Inbox()
  inboxes.set(stream, inbox)
  const sha256 = createHash('sha256')
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of inbox.read()) {
      sha256.update(chunk)
      yield chunk
    }
  }
  try {
    const store = await storeOf(root)
    const outcome = await store.create(path, hashed(), { signal: stop.signal })
    return { sha256: sha256.digest('hex'), outcomes: [outcome] }
  } finally {
    inboxes.delete(stream)
    inbox.close()
  }
}

async function put({ root, files }: Extract<Task, { kind: 'put' }>): Promise<void> {
  const store = await storeOf(root)
  await eachOf(files, filesAtOnce, async ({ path, text }) => {
    stop.signal.throwIfAborted()
    await putFile(store, path, text)
  })
}

/** While one waits for the disk, others are written. */
const filesAtOnce = 16

function storeOf(root: string): Promise<DirectoryStore> {
  const opened = stores.get(root) ?? openDirectoryStore(root)
  stores.set(root, opened)
  return opened
}
