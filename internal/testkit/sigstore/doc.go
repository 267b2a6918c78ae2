// Package sigstore is a whole Sigstore in memory for tests: a certificate authority
// with its certificate transparency log, transparency logs of both kinds, timestamp
// authorities, an identity provider, and the files that make a client trust them.
//
// A [World] ties them together. [World.Bundle] makes a sound bundle from one
// [Request]; every field of the request that is not its zero value moves the bundle
// away from sound, so that a test shows one fault at a time. [World.Serve] puts the
// same parties behind loopback servers that a signer can talk to.
//
// The package knows nothing of how this project reads or checks bundles. It follows
// the formats alone, so that a mistake on one side shows on the other.
package sigstore
