// Package trust holds what a verifier believes before it looks at any evidence:
// public keys, with the time in which each may be used.
//
// Nothing in this package comes from the thing that is being judged: keys reach it
// from the caller alone.
package trust
