// Package sign makes signatures: it opens private keys and signs payloads into
// Sigstore bundles.
//
// A key is named by a path or a URI. Each scheme has a provider; those that are not
// built into the program answer with [ErrProvider].
package sign
