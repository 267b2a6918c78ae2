package cli

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

type policyInitOptions struct {
	keys     []string
	evidence evidenceFlags
	as       string
	file     string
}

func (a *App) policyInitCommand() *cobra.Command {
	var o policyInitOptions
	cmd := &cobra.Command{
		Use: "init SUBJECT", Short: "Write a policy to start from, by what an image carries", Args: wants(cobra.ExactArgs(1)),
		Long: `Look at what is attached to an image, and write a policy, with comments, that asks for
what is there, by those who say that they signed it.

Nothing of it is verified: whoever can write to the repository can attach anything. Read
what it says before you trust by it.`,
		Example: `  hallmark policy init --key release.pub registry.example.com/team/app:v1 > policy.yaml`,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.runPolicyInit(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.keys, "key", nil, "public key of somebody who may have signed: a `path`; may be repeated")
	f.StringVar(&o.as, "as", "", "`repository` that an image from a layout is judged as")
	f.StringVar(&o.file, "output-file", "", "write to this `file`, which must not exist, instead of standard output")
	o.evidence.add(cmd)
	return cmd
}

func (a *App) runPolicyInit(ctx context.Context, text string, o policyInitOptions) error {
	keys, err := trustedKeys(ctx, o.keys)
	if err != nil {
		return err
	}
	s, err := a.session()
	if err != nil {
		return err
	}
	t, err := a.imageTarget(ctx, s, text, o.evidence)
	if err != nil {
		return err
	}
	name, err := t.subjectName(o.as)
	if err != nil {
		return err
	}
	report, err := verify.Survey(ctx, t.subject, []verify.Source{verify.Attached(t.evidence), verify.Legacy(t.evidence)}, verify.Options{Now: a.Now()})
	if err != nil {
		return err
	}
	if len(report.Unread) > 0 {
		u := report.Unread[0]
		return fmt.Errorf("%w: could not read %s of %s: %s", verify.ErrInconclusive, u.What, u.On, u.Cause)
	}
	content := draftOf(report, keys.Keys, name).write(t.subject.String())
	if o.file == "" {
		_, err = a.Out.Write(content)
		return err
	}
	if err := writeFile(o.file, content, 0o644, false); err != nil {
		return fileError(err)
	}
	a.message("Wrote %s. Read it before you trust by it.", o.file)
	return nil
}

// draft is a policy in the making.
type draft struct {
	repository string
	signers    []draftSigner
	types      map[string][]string // names of those who say that they signed it, by type
	older      bool                // some evidence is in cosign's older form
}

type draftSigner struct {
	id     string // what tells it from others
	name   string
	fields []string
}

func draftOf(r *verify.Report, keys []trust.Key, repository string) *draft {
	d := &draft{repository: repository, types: map[string][]string{}}
	for _, e := range r.Evidence {
		if e.ClaimedType == "" {
			continue
		}
		d.older = d.older || e.Form != verify.FormBundle
		t := policy.TypeOf(e.ClaimedType).String()
		if t == "vsa" { // a verdict is a verifier's
			continue
		}
		name := d.signer(e, keys)
		if !slices.Contains(d.types[t], name) {
			d.types[t] = append(d.types[t], name)
		}
	}
	return d
}

// signer is the name of whoever says that they signed a piece.
func (d *draft) signer(e verify.EvidenceReport, keys []trust.Key) string {
	one := draftSigner{id: e.ClaimedSigner, name: "somebody", fields: []string{"key: SOMEBODY.pub # the key is not known: put its path here"}}
	switch {
	case e.Claimed != nil:
		one.id = e.Claimed.Identity + " " + e.Claimed.Issuer
		one.name = nameFor(e.Claimed.Identity)
		one.fields = []string{"issuer: " + quoted(e.Claimed.Issuer), "identity: " + quoted(e.Claimed.Identity)}
		if c := e.Claimed.Claims; c != nil && c.SourceRepository != "" {
			one.fields = append(one.fields, "sourceRepository: "+quoted(c.SourceRepository))
		}
	default:
		for _, key := range keys {
			if strings.Contains(e.ClaimedSigner, key.Hint()) || e.ClaimedSigner == "" && len(keys) == 1 {
				one.id, one.name, one.fields = key.Fingerprint(), nameFor(key.Name), []string{"key: " + quoted(key.Name)}
			}
		}
	}
	for _, have := range d.signers {
		if have.id == one.id {
			return have.name
		}
	}
	base := one.name
	for n := 2; slices.ContainsFunc(d.signers, func(have draftSigner) bool { return have.name == one.name }); n++ {
		one.name = fmt.Sprintf("%s-%d", base, n)
	}
	d.signers = append(d.signers, one)
	return one.name
}

// notInPaths is what is left out of the names of files in a pack.
var notInPaths = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// nameFor makes a short name out of an identity or a path.
func nameFor(text string) string {
	text = strings.TrimSuffix(strings.ToLower(text), ".pub")
	if at := strings.LastIndex(text, "@refs/"); at >= 0 {
		text = text[:at]
	}
	text = text[strings.LastIndex(text, "/")+1:]
	text, _, _ = strings.Cut(text, "@")
	if text = strings.Trim(notInNames.ReplaceAllString(text, "-"), "-"); text == "" || len(text) > 40 {
		return "signer"
	}
	return text
}

// quoted writes a stranger's text as a YAML scalar in double quotes, which reads JSON's
// escapes.
func quoted(s string) string { return fmt.Sprintf("%q", strings.ToValidUTF8(s, "?")) }

func (d *draft) write(subject string) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# A policy to start from, by what %s carries.", subject)
	line("# Nothing of that was verified: check every signer before you trust it.")
	line("schemaVersion: %s", policy.FileVersion)
	line("name: %s", quoted("images of "+strings.TrimSuffix(d.pattern(), "/*")))
	if d.older {
		line("evidence:\n  allowOlderForms: true # some of it is under tags, as cosign 2 wrote it")
	}
	line("\n# Who may sign. Take out whom you do not know.\nsigners:")
	if len(d.signers) == 0 {
		line("  somebody:\n    key: SOMEBODY.pub # nothing is attached: put the path of a public key here")
	}
	for _, s := range d.signers {
		line("  %s:\n    %s", s.name, strings.Join(s.fields, "\n    "))
	}
	line("\nrules:\n  - name: app\n    # Repositories that the rule speaks about: * is one segment, ** is anything.\n    subjects: [%s]", quoted(d.pattern()))
	if d.repository != "" {
		line("    # The signed statements have to name the very repository that is asked for.\n    # sameRepository: true")
	}
	d.requirements(line)
	line("\n# deny:\n#   - {signer: NAME, issuedAfter: 2026-01-01, reason: the key was stolen}")
	line("\n# environments:\n#   production:\n#     rules:\n#       - {subjects: [%s], signatures: [{atLeast: 2}]}", quoted(d.pattern()))
	return b.Bytes()
}

func (d *draft) pattern() string {
	if d.repository == "" {
		return "**"
	}
	return d.repository
}

// requirements asks for what is there.
func (d *draft) requirements(line func(string, ...any)) {
	by := func(t string) string { return strings.Join(d.types[t], ", ") }
	var formats, sbomBy, other []string
	for _, t := range slices.Sorted(maps.Keys(d.types)) {
		switch t {
		case "spdx", "cyclonedx", "syft":
			formats, sbomBy = append(formats, t), append(sbomBy, d.types[t]...)
		case policy.Signature, "slsaprovenance", "vuln", "openvex":
		default:
			other = append(other, t)
		}
	}
	if names := by(policy.Signature); names != "" || len(d.types) == 0 {
		if names == "" {
			names = "somebody"
		}
		line("    signatures:\n      # atLeast: 2 would want two different signers.\n      - {by: [%s], atLeast: 1}", names)
	}
	if len(formats) > 0 {
		slices.Sort(sbomBy)
		line("    sbom:\n      by: [%s]\n      formats: [%s]\n      # minimumElements: ntia-2021\n      # packages: {banned: [{package: 'pkg:npm/event-stream@3.3.6', reason: stole keys}]}\n      # licences: {banned: [AGPL-3.0*]}",
			strings.Join(slices.Compact(sbomBy), ", "), strings.Join(formats, ", "))
	}
	if len(d.types["slsaprovenance"]) > 0 {
		line("    # provenance wants builders and sources: see docs/guides/policy.md\n    attestations:\n      - {type: slsaprovenance, by: [%s]}", by("slsaprovenance"))
	} else if len(other) > 0 {
		line("    attestations:")
	}
	for _, t := range other {
		line("      - {type: %s, by: [%s]}", quoted(t), by(t))
	}
	if len(d.types["vuln"]) > 0 {
		line("    vulnerabilities: {by: [%s], severity: critical, maxAge: 30d}", by("vuln"))
	}
}
