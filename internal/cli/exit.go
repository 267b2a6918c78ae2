package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/internal/settings"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/oidc"
	"github.com/hallmark-project/hallmark/pack"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/provenance"
	"github.com/hallmark-project/hallmark/sbom"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/transfer"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// Exit codes, the same for every command (DESIGN section 3).
const (
	exitDone         = 0
	exitInternal     = 1
	exitUsage        = 2
	exitRejected     = 3
	exitMissing      = 4
	exitInconclusive = 5
	exitInterrupted  = 130
)

var errTimeout = errors.New("the time given by --timeout is over")

// usageError is bad input: the command line, a file, a key.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(err error) error { return usageError{err} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// shownError was reported by the command itself, as its result.
type shownError struct{ error }

func (e shownError) Unwrap() error { return e.error }

// class is a row of the table from errors to exit codes and remedies. The first row
// that matches decides.
type class struct {
	code   int
	match  func(error) bool
	remedy string
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[T error](accept func(T) bool) func(error) bool {
	return func(err error) bool {
		var target T
		return errors.As(err, &target) && accept(target)
	}
}

func anyOf[T error](T) bool { return true }

var classes = []class{
	{exitInconclusive, func(err error) bool { return errors.Is(err, errTimeout) || errors.Is(err, context.DeadlineExceeded) },
		"Nothing is decided. Try again, or allow more with --timeout."},
	{exitUsage, as(anyOf[usageError]), ""},
	{exitInconclusive, is(errUnverifiable), "The signing services, the signing configuration and the trusted root must be of the same deployment. Try again; if it stays, do not trust these services."},
	{exitUsage, is(verify.ErrNothingAsked), "Say whom you trust: --key PUBLIC_KEY, or --certificate-identity NAME with --certificate-oidc-issuer URL, or --github-repo OWNER/REPO."},
	{exitUsage, is(verify.ErrPlatform), "'hallmark tree SUBJECT' lists the platforms."},
	{exitRejected, is(verify.ErrRejected), ""},
	{exitUsage, is(sign.ErrPassword), "The password is taken from --password-file, HALLMARK_PASSWORD or COSIGN_PASSWORD, else asked for on a terminal."},
	{exitUsage, is(sign.ErrPublicKey), "Signing needs the private key, usually NAME.key."},
	{exitUsage, is(sign.ErrUnprotected), "Protect it with 'chmod 600', or encrypt it with 'hallmark keys import'."},
	{exitUsage, is(sign.ErrProvider), "Use a key file or env://NAME."},
	{exitUsage, is(sign.ErrNoKey), ""},
	{exitUsage, is(sign.ErrKeyFormat), "'hallmark keys generate' makes a key; 'hallmark keys import' reads those of other tools."},
	{exitUsage, is(trust.ErrPrivateKey), "Verifying needs the public key, usually NAME.pub; 'hallmark keys public --key NAME.key' writes it."},
	{exitUsage, is(trust.ErrKeyFormat), "'hallmark keys public --key NAME.key' writes a public key."},
	{exitUsage, is(trust.ErrKeyKind), ""},
	{exitUsage, is(attest.ErrPredicate), "Give the file that --type describes, or the --type that describes the file."},
	{exitUsage, is(settings.ErrFile), "docs/guides/configuration.md describes the file."},
	{exitUsage, is(provenance.ErrBuild), "docs/build-types.md says what is read, and which flags state the rest."},
	{exitUsage, is(sbom.ErrFormat), ""},
	{exitUsage, is(sbom.ErrNotImage), ""},
	{exitUsage, is(sbom.ErrForeignLayer), ""},
	{exitUsage, is(sbom.ErrLayerType), ""},
	{exitUsage, is(sbom.ErrMalformed), "The image is broken; if it comes from a registry, try again once."},
	{exitUsage, is(sbom.ErrLimit), ""},
	{exitUsage, is(trust.ErrTrustedRoot), "A trusted root comes from 'hallmark trust init', or is the trusted_root.json of a deployment."},
	{exitUsage, is(trust.ErrSigningConfig), "A signing configuration names the services of a deployment; 'hallmark trust create' writes one."},
	{exitUsage, is(trust.ErrNoService), "Fetch a newer one with 'hallmark trust update', or name one with --signing-config."},
	{exitUsage, is(trust.ErrFolder), "'hallmark trust update' fetches the material again; 'hallmark trust init' sets the folder up anew."},
	{exitUsage, is(trust.ErrUninitialized), "'hallmark trust init' sets it up."},
	{exitRejected, is(trust.ErrTampered), "Do not trust this mirror. What was trusted before is still in use."},
	{exitInconclusive, is(trust.ErrUpdate), "What was trusted before is still in use. Try again when the network is there, or use --offline."},
	{exitInconclusive, is(errNoServices), "Fetch the trust material with 'hallmark trust init' when the network is there, or give --signing-config FILE. With --key, no service is needed."},
	{exitInconclusive, is(errStale), "Fetch it anew with 'hallmark trust update'."},
	{exitUsage, is(policy.ErrIdentity), ""},
	{exitUsage, is(policy.ErrFile), "'hallmark policy check' looks at a policy without judging anything; docs/policy.schema.json says what may stand in one."},
	{exitRejected, is(errFailedCases), ""},
	{exitRejected, is(errUnwell), ""},
	{exitInconclusive, is(errUnknownHealth), ""},
	{exitRejected, is(pack.ErrPack), "Do not use it. Ask whoever made it for another copy."},
	{exitUsage, is(oidc.ErrNoIdentity), ""},
	{exitUsage, is(oidc.ErrToken), "Nothing was sent. Ask the provider for a token with the audience sigstore that has not expired."},
	{exitInconclusive, as(anyOf[*oidc.ProviderError]), "No identity, so nothing was signed. Try again later."},
	{exitUsage, is(sign.ErrNoTime), "Add a timestamp authority to the signing configuration."},
	{exitUsage, is(sign.ErrLogLater), "Sign without --log-later, or with a signing configuration that has both."},
	{exitUsage, is(sign.ErrTooLargeToLog), ""},
	{exitUsage, as((*sign.ServiceError).Refused), "The service refused what was sent, so that trying again does not help. Nothing was attached."},
	{exitInconclusive, as(anyOf[*sign.ServiceError]), "Nothing was attached. Try again later; 'release --log-later' signs now and logs later where only the log is down."},
	{exitInconclusive, is(sign.ErrCertificate), "Nothing was signed. The trusted root and the signing configuration must be of the same deployment."},
	{exitUsage, is(oci.ErrReference), "See 'hallmark --help' for how a subject is written."},
	{exitUsage, is(oci.ErrLayout), "oci:DIR wants a folder (or .tar) with oci-layout, index.json and blobs."},
	{exitUsage, is(oci.ErrReadOnly), "Unpack the archive into a folder first."},
	{exitInconclusive, is(verify.ErrInconclusive),
		"Nothing was added, because what is attached already could not be read whole. If that stays, what cannot be read has to be removed from the registry."},
	{exitInconclusive, as(func(e *oci.StatusError) bool { return e.Unauthorized() }),
		"Log in with the tool of your registry (docker login, podman login, …): hallmark uses its credentials."},
	{exitInconclusive, as(func(e *oci.StatusError) bool { return e.Throttled() }), "The registry asks for fewer requests. Try again later."},
	{exitInconclusive, is(oci.ErrNotFound), "Check the name and tag. A registry also answers like this where you lack the right to read."},
	{exitInconclusive, as(anyOf[*oci.StatusError]), "The registry could not answer. Try again later."},
	{exitInconclusive, as(anyOf[*oci.DigestError]), "The content was damaged on its way, or tampered with. Try again; if it stays, do not use it."},
	{exitInconclusive, as(anyOf[*oci.TooLargeError]), ""},
	{exitInconclusive, is(oci.ErrListing), "Nothing may be concluded from a list that is not whole. Try again."},
	{exitUsage, is(transfer.ErrConflict), "Nothing was taken away. Copy to another repository, or move the evidence under that tag by hand."},
	{exitUsage, is(transfer.ErrDigest), "Leave the digest out, or name the source's."},
	{exitInconclusive, is(transfer.ErrTooMuch), ""},
	{exitInconclusive, is(oci.ErrContended), "Run the command again: what is attached already is found and left as it is."},
	{exitInconclusive, is(oci.ErrManifest), "What the registry or layout holds under this name is no image that can be read."},
	{exitInconclusive, is(sbom.ErrMismatch), "The content was damaged on its way, or tampered with. Try again; if it stays, do not use it."},
	{exitMissing, is(verify.ErrMissing), ""},
	{exitInconclusive, as(anyOf[*oci.RequestError]), "Check the registry's name and the network."},
	{exitUsage, is(fs.ErrNotExist), ""},
	{exitUsage, is(fs.ErrExist), ""},
	{exitUsage, is(fs.ErrPermission), "Look at the rights of that file and of the folders above it."},
}

// classify finds the row of an error; unclassified is never 0.
func classify(err error) class {
	for _, c := range classes {
		if c.match(err) {
			return c
		}
	}
	return class{code: exitInternal}
}

// whatIsLeft is the remedy, and what was written.
func (a *App) whatIsLeft(c class) string {
	return strings.TrimSpace(c.remedy + "\n" + a.whatWasWritten(c))
}

// whatWasWritten is what a command that writes had changed before it could not find out
// something; empty for other commands and ends.
func (a *App) whatWasWritten(c class) string {
	if c.code != exitInconclusive || !a.writes || a.wrote == nil {
		return ""
	}
	left := "In the registry or layout, " + a.wrote.String() + "."
	if a.wrote.Any() {
		left += " Run the command again: what is there is found and left as it is."
	}
	return left
}

// finish reports how a command ended and gives its exit code.
func (a *App) finish(err error) int {
	if err == nil {
		return exitDone
	}
	var sandbox sandboxError
	if errors.As(err, &sandbox) { // it has said itself what is wrong
		return int(sandbox)
	}
	c := classify(err)
	var shown shownError
	if !errors.As(err, &shown) {
		a.failed(printableLines(err.Error()), a.whatIsLeft(c), c.code)
	}
	return c.code
}
