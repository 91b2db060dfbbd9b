/**
 * Publishing into a bucket of versitygw, the strict one.
 */

import { testPublishing } from '../support/bucketsuite.ts'

testPublishing('versitygw', { rounds: 25, killEvery: 3 })
