//go:build !unix

package oci

// nonblock has no meaning here: opening a file does not wait.
const nonblock = 0
