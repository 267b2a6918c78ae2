// Package provenance says how something was built: it makes SLSA provenance of version 1
// (https://slsa.dev/spec/v1.2/build-provenance) from the environment of a CI job, a git
// checkout, a builder's metadata and what somebody states. It reads only the variables
// that it names, so that no secret of a job gets into a predicate, and asks nobody.
//
// What it writes is a claim. Whoever verifies it holds it against the certificate of the
// signer, or trusts the signer to say so.
package provenance
