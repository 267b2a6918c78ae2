// Command client speaks the command line of the sigstore-conformance suite
// (https://github.com/sigstore/sigstore-conformance/blob/main/docs/cli_protocol.md) and has
// hallmark do the work: the program named by HALLMARK, else the one beside this or in the
// PATH.
//
//	client sign-bundle [--staging] [--in-toto] --identity-token TOKEN --bundle FILE
//	    [--trusted-root FILE] [--signing-config FILE] ARTIFACT
//	client verify-bundle [--staging] --bundle FILE (--key FILE |
//	    --certificate-identity NAME --certificate-oidc-issuer URL) [--trusted-root FILE] FILE_OR_DIGEST
//
// It ends with 0 for yes and 1 for no, whatever the reason.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

// request is what the suite asks for.
type request struct {
	staging, inToto                         bool
	token, bundle, identity, issuer, key    string
	trustedRoot, signingConfig, artifactArg string
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("want sign-bundle or verify-bundle")
	}
	var r request
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.BoolVar(&r.staging, "staging", false, "the staging instance")
	f.BoolVar(&r.inToto, "in-toto", false, "the artifact is an in-toto statement")
	f.StringVar(&r.token, "identity-token", "", "identity token")
	f.StringVar(&r.bundle, "bundle", "", "bundle file")
	f.StringVar(&r.identity, "certificate-identity", "", "identity")
	f.StringVar(&r.issuer, "certificate-oidc-issuer", "", "issuer")
	f.StringVar(&r.key, "key", "", "public key file")
	f.StringVar(&r.trustedRoot, "trusted-root", "", "trusted root file")
	f.StringVar(&r.signingConfig, "signing-config", "", "signing configuration file")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if f.NArg() != 1 || r.bundle == "" {
		return errors.New("want --bundle and one artifact")
	}
	if r.staging && r.trustedRoot == "" {
		return errors.New("the staging instance needs --trusted-root: hallmark carries that of the public-good instance only")
	}
	r.artifactArg = f.Arg(0)
	switch args[0] {
	case "sign-bundle":
		return r.sign()
	case "verify-bundle":
		return r.verify()
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func (r request) sign() error {
	if r.token == "" {
		return errors.New("want --identity-token")
	}
	args := []string{"sign", "--yes", "--bundle", r.bundle, "--identity-token", "env://CONFORMANCE_TOKEN"}
	if r.trustedRoot != "" {
		args = append(args, "--trusted-root", r.trustedRoot)
	}
	if r.signingConfig != "" {
		args = append(args, "--signing-config", r.signingConfig)
	}
	env := append(os.Environ(), "CONFORMANCE_TOKEN="+r.token)
	if !r.inToto {
		return hallmark(env, append(args, "--message-signature", "file:"+r.artifactArg)...)
	}
	args[0] = "attest"
	digest, err := subjectOf(r.artifactArg)
	if err != nil {
		return err
	}
	return hallmark(env, append(args, "--statement", r.artifactArg, digest)...)
}

// subjectOf is the digest that a statement is about.
func subjectOf(name string) (digest string, err error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	var s struct {
		Subject []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	if len(s.Subject) == 0 || s.Subject[0].Digest["sha256"] == "" {
		return "", errors.New("want a statement with a subject that has a sha256 digest")
	}
	return "sha256:" + s.Subject[0].Digest["sha256"], nil
}

func (r request) verify() error {
	if (r.key == "") == (r.identity == "" || r.issuer == "") {
		return errors.New("want either --key, or --certificate-identity and --certificate-oidc-issuer")
	}
	kind, err := predicateTypeOf(r.bundle)
	if err != nil {
		return err
	}
	args := []string{"verify", "--bundle", r.bundle, "--require", kind}
	if r.key != "" {
		args = append(args, "--key", r.key)
	} else {
		args = append(args, "--certificate-identity", r.identity, "--certificate-oidc-issuer", r.issuer)
	}
	if r.trustedRoot != "" {
		args = append(args, "--trusted-root", r.trustedRoot)
	} else {
		args = append(args, "--offline")
	}
	if !isDigest(r.artifactArg) {
		return hallmark(os.Environ(), append(args, "file:"+r.artifactArg)...)
	}
	return hallmark(os.Environ(), append(args, "--trust-digest", r.artifactArg)...)
}

// isDigest tells a digest from a path, as the protocol does: the right prefix and length,
// and no file of that name.
func isDigest(artifact string) bool {
	digits, ok := strings.CutPrefix(artifact, "sha256:")
	_, err := hex.DecodeString(digits)
	return ok && err == nil && len(digits) == hex.EncodedLen(sha256.Size) && !exists(artifact)
}

// predicateTypeOf is what a bundle says it is, so that hallmark can be asked for that: the
// suite asks whether it verifies, whatever it is.
func predicateTypeOf(file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var b struct {
		Envelope *struct {
			Payload []byte `json:"payload"`
		} `json:"dsseEnvelope"`
	}
	var s struct {
		PredicateType string `json:"predicateType"`
	}
	if err := json.Unmarshal(raw, &b); err != nil || b.Envelope == nil || json.Unmarshal(b.Envelope.Payload, &s) != nil || s.PredicateType == "" {
		return "signature", nil // hallmark says what is wrong with it
	}
	return s.PredicateType, nil
}

func hallmark(env []string, args ...string) error {
	program := os.Getenv("HALLMARK")
	if program == "" {
		program = "hallmark"
		if self, err := os.Executable(); err == nil {
			if beside := filepath.Join(filepath.Dir(self), "hallmark"); exists(beside) {
				program = beside
			}
		}
	}
	cmd := exec.Command(program, args...) //nolint:gosec // what the caller names, without a shell
	cmd.Env, cmd.Stdout, cmd.Stderr = env, os.Stdout, os.Stderr
	return cmd.Run()
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
