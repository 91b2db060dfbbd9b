/**
 * Publishing into a bucket of gofakes3, the quick one.
 */

import { testPublishing } from '../support/bucketsuite.ts'

testPublishing('gofakes3', { rounds: 40 })
