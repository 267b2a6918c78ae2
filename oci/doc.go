// Package oci is where images and evidence live: it names subjects, reads and
// writes registries and OCI image layouts, and keeps evidence attached as OCI 1.1
// referrers (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md).
//
// Everything read is hostile until its digest matches: sizes are bounded before
// reading, a listing that was cut off or throttled is an error and never an empty
// list, and credentials go to the host they are for.
package oci
