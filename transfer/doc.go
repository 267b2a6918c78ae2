// Package transfer copies images with all their evidence from one store to another:
// between registries, and to and from OCI layouts. Digests never change.
//
// A [Plan] is found out by reading the source: the image, every platform of an index, what
// is attached to each of them as referrers, referrers of those, and cosign's tags. Running
// it writes what the destination lacks, and makes it visible last: image, then evidence,
// then tags, so that whoever resolves the tag finds the evidence.
package transfer
