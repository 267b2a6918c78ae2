// Package bundle holds the wire formats of signed evidence: the DSSE envelope,
// the in-toto statement, the Sigstore bundle and cosign's older simple signing
// payload.
//
// Everything here is parsing and writing of bytes. Nothing is verified: a
// parsed [Bundle] or [Statement] says what somebody wrote, not that it is true.
// Package verify decides that.
//
// Parsers are strict and bounded: an object may not name a member twice, text
// must be UTF-8, nesting stops at [MaxDepth], counts are capped, and nothing may
// follow the document. Two readers of the same signed bytes must not be able to
// see two different things.
package bundle
