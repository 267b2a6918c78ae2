// Package sbom says what a container image, a folder or a file is made of: it reads the bytes, has them catalogued by
// anchore/syft, and encodes the answer as SPDX, CycloneDX or syft JSON.
//
// Three promises hold for every document:
//
//   - Deterministic: the same content, options and version of the tool give the same bytes, whichever Fetcher the
//     content came through. No repository name, tag, host, user, clock or temporary path is inside.
//   - Bounded: layers are hostile until read. All that grows with them is capped by Limits before it is stored. What
//     cataloguers make of one file in a layer is up to syft, which unpacks at most 2 GiB of any file within an archive.
//   - Bound to its digest: the manifest's digest covers the configuration, whose diff_ids cover every byte that was
//     catalogued; all of it is checked, also when a Fetcher is sloppy.
//
// The types of syft and stereoscope stop at this package. Nothing is printed, no network is used but the Fetcher's,
// and nothing happens before the first call to Generate.
package sbom
