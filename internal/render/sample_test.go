package render

import (
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/verify"
)

// hostile is what somebody who writes evidence would put into a name.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "a|b | c", "line\nbreak\r\n\r\n# heading", "`code` ``more`` `",
	"\x1b[31mred\x1b[0m", `=cmd|' /C calc'!A0`, "+1", "-1", "@SUM(A1)", "\t=1+1", "]]>", "bad \xff\xfe bytes", "left \u202eright\u202c", "zero\u200bwidth",
	"@everyone #1 [click](https://evil.example) ![x](https://evil.example/x.png) www.evil.example", `</details></table><h1>`, "{0} {{.}} ${{ x }}", "\x00nul", `\| \`,
	"</style><style>*{display:none}</style>", "--><!--", "javascript:alert(1)", "file:///etc/passwd", "=ＤＤＥ", "＝1",
}

// day is the one moment of all samples.
var day = time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC)

func sum256(parts ...any) digest.Digest { return digest.FromString(fmt.Sprint(parts...)) }

var platforms = []string{"linux/amd64", "linux/arm64"}

var sampleTypes = []struct{ name, asked, predicate string }{
	{"signature", "signed by the release key", "https://sigstore.dev/cosign/sign/v1"},
	{"spdx", "an SBOM of every platform", "https://spdx.dev/Document/v2.3"},
	{"provenance", "SLSA build level 2 from the release workflow", "https://slsa.dev/provenance/v1"},
	{"scan", "no finding above high", "https://in-toto.io/attestation/vulns/v0.2"},
}

func sampleSigner(identity string) verify.Signer {
	s := verify.Signer{Key: "release", Fingerprint: sum256("key").Encoded(), Algorithm: "ecdsa-p256"}
	if identity != "" {
		s = verify.Signer{Identity: identity, Issuer: "https://token.actions.githubusercontent.com", Fingerprint: sum256(identity).Encoded(), Algorithm: "ecdsa-p256",
			Instance: "public-good", Times: []time.Time{day.Add(-time.Hour)}, Logs: []string{"rekor.sigstore.dev"}}
	}
	return s
}

// sampleSubject is a verified image of two platforms with four requirements, eight
// pieces of evidence that count and two that do not, and packages.
func sampleSubject(name string, packages int) *Subject {
	s := &Subject{Subject: name, Digest: sum256(name).String(), Verdict: Verified, Covers: "index", Report: &verify.Report{Subject: name, Digest: sum256(name), MediaType: "application/vnd.oci.image.index.v1+json"}}
	for _, kind := range sampleTypes {
		r := verify.RequirementReport{Name: kind.name, Type: kind.predicate, Asked: kind.asked}
		for _, p := range platforms {
			r.On = append(r.On, s.sampleEvidence(p, kind.name, kind.predicate))
		}
		s.Report.Requirements = append(s.Report.Requirements, r)
	}
	for _, p := range platforms {
		s.Report.Evidence = append(s.Report.Evidence, verify.EvidenceReport{On: sum256(name, p), Platform: p, Digest: sum256(name, p, "stranger"), Form: "cosign-signature",
			Source: "the image's repository", ClaimedSigner: "mallory@example.com", Facts: []verify.Fact{{Check: verify.CheckFormat, Outcome: verify.Passed},
				{Check: verify.CheckSignature, Against: "key release", Outcome: verify.Failed, Cause: "no trusted key made it"}}, Reason: "no trusted key made the signature"})
	}
	licences := [][]string{{"MIT"}, {"Apache-2.0"}, {"GPL-2.0-or-later", "LGPL-2.1-only"}, nil, {"BSD-3-Clause"}}
	for i := range packages {
		p := Package{Platform: platforms[i%2], On: sum256(name, platforms[i%2]).String(), Evidence: sum256(name, platforms[i%2], "spdx").String(),
			Name: fmt.Sprintf("lib%03d", i/2), Version: fmt.Sprintf("1.%d.0-%d", i/2%7, i/2%3), Licences: licences[i/2%len(licences)]}
		p.PURL = "pkg:deb/debian/" + p.Name + "@" + p.Version
		s.Packages = append(s.Packages, p)
	}
	return s
}

func (s *Subject) sampleEvidence(platform, requirement, predicate string) verify.DigestState {
	identity := ""
	if requirement == "provenance" {
		identity = "https://github.com/example/app/.github/workflows/release.yaml@refs/tags/v1.4.2"
	}
	signer, on, evidence := sampleSigner(identity), sum256(s.Subject, platform), sum256(s.Subject, platform, requirement)
	s.Verified = append(s.Verified, verify.Verified{Requirement: requirement, On: on, Platform: platform, PredicateType: predicate, Evidence: evidence, Form: "sigstore-bundle", Signer: signer})
	s.Report.Evidence = append(s.Report.Evidence, verify.EvidenceReport{On: on, Platform: platform, Digest: evidence, Form: "sigstore-bundle", Source: "referrers of the image",
		ClaimedType: predicate, Signer: &signer, Counts: true, Facts: []verify.Fact{
			{Check: verify.CheckFormat, Outcome: verify.Passed}, {Check: verify.CheckSignature, Against: signer.Name(), Outcome: verify.Passed},
			{Check: verify.CheckStatement, Outcome: verify.Passed}, {Check: verify.CheckSubject, Against: on.String(), Outcome: verify.Passed}}})
	if requirement == "provenance" {
		started, finished := day.Add(-2*time.Hour), day.Add(-time.Hour)
		s.Provenance = append(s.Provenance, Provenance{Platform: platform, On: on.String(), Evidence: evidence.String(), Builder: "https://github.com/actions/runner/github-hosted",
			BuildType: "https://actions.github.io/buildtypes/workflow/v1", Source: "https://github.com/example/app", Ref: "refs/tags/v1.4.2", Commit: "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d",
			Started: &started, Finished: &finished, Materials: []Material{{"git+https://github.com/example/app@refs/tags/v1.4.2", "gitCommit:7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"}}})
	}
	state := verify.DigestState{Digest: on, Platform: platform, Outcome: verify.Passed, Evidence: evidence, Signer: signer.Fingerprint}
	if requirement == "spdx" {
		state.Checks = []verify.PieceCheck{{Evidence: evidence, Fact: verify.Fact{Check: verify.CheckMinimumElements, Against: "NTIA", Outcome: verify.Passed}}}
	}
	return state
}

// breakIt makes one requirement fail on the second platform.
func (s *Subject) breakIt(requirement int, verdict, cause, fix string) *Subject {
	s.Verdict, s.Fix = verdict, fix
	r := &s.Report.Requirements[requirement]
	on := &r.On[1]
	on.Outcome, on.Cause, on.Evidence, on.Signer = verify.Failed, cause, "", ""
	if verdict == Inconclusive {
		on.Outcome = verify.NotChecked
		s.Report.Unread = append(s.Report.Unread, verify.Unread{On: on.Digest, What: "the list of referrers", Cause: cause})
	}
	s.Failures = append(s.Failures, Failure{Verdict: verdict, Type: r.Name, On: on.Digest.String(), Platform: on.Platform, Cause: cause})
	evidence := sum256(s.Subject, on.Platform, r.Name)
	for i := range s.Report.Evidence {
		if e := &s.Report.Evidence[i]; e.Digest == evidence {
			e.Counts, e.Signer, e.Reason = false, nil, cause
			e.Facts[1].Outcome, e.Facts[1].Cause = verify.Failed, cause
		}
	}
	s.Verified = nil
	return s
}

func run(verdict string, code int, subjects ...*Subject) *Result {
	judged := day
	return &Result{SchemaVersion: SchemaVersion, Verdict: verdict, ExitCode: code, Tool: "hallmark/1.2.0", JudgedAt: &judged, Subjects: subjects,
		Policy: &Policy{Name: "release", Digest: sum256("policy").String(), Environment: "production", Files: []PolicyFile{{"policy/release.yaml", sum256("file").String()}}}}
}

func verifiedSample() *Result {
	return run(Verified, 0, sampleSubject("registry.example/app:1.4.2", 24))
}

func rejectedSample() *Result {
	return run(Rejected, 3, sampleSubject("registry.example/app:1.4.3", 24).breakIt(2, Rejected,
		"the identity https://github.com/fork/app/.github/workflows/release.yaml@refs/heads/main is not one that the policy accepts",
		"Do not use it. If you expected another signer, name that identity in the policy."))
}

// mixedSample has a subject for each verdict, judged as of another time.
func mixedSample() *Result {
	at := day.AddDate(-1, 0, 0)
	bad := &Subject{Subject: "registry.example/typo@sha256:12", Verdict: Failed, Error: "the digest has 2 digits, not 64", Fix: "Correct the digest."}
	missing := sampleSubject("registry.example/api:3", 10).breakIt(1, Missing, "no SPDX document is attached", "Ask its maker for an SBOM of linux/arm64.")
	missing.Named = []string{"deploy/api.yaml:12", "deploy/with space.yaml:40"}
	platformsOnly := sampleSubject("registry.example/web:7", 10)
	platformsOnly.Covers = "platforms"
	r := run(Rejected, 3, platformsOnly, missing,
		sampleSubject("registry.example/db:9", 10).breakIt(0, Inconclusive, "registry.example: 429 Too Many Requests", "Try again later."),
		sampleSubject("registry.example/job:2", 10).breakIt(2, Rejected, "another builder", "Do not use it."), bad,
		&Subject{Subject: "docker.io/library/busybox:1", Digest: sum256("busybox").String(), Verdict: NotCovered})
	r.At = &at
	return r
}

// hostileSample has a hostile text in every place that somebody else writes.
func hostileSample() *Result {
	s := sampleSubject(hostile[0]+hostile[1], 0).breakIt(2, Rejected, hostile[4]+hostile[15], hostile[6])
	s.Named = []string{hostile[1] + ":7", "../" + hostile[22]}
	s.Evidence, s.Error = hostile[16], hostile[3]
	for i, text := range hostile {
		p := Package{Platform: platforms[i%2], Name: text, Version: hostile[(i+1)%len(hostile)], PURL: hostile[(i+2)%len(hostile)], Licences: []string{hostile[(i+3)%len(hostile)]}}
		s.Packages = append(s.Packages, p)
		s.Failures = append(s.Failures, Failure{Verdict: Rejected, Type: text, On: text, Platform: text, Cause: text})
		signer := verify.Signer{Identity: text, Issuer: text, Fingerprint: text, Algorithm: text, Logs: []string{text}}
		s.Report.Evidence = append(s.Report.Evidence, verify.EvidenceReport{On: digest.Digest(text), Platform: text, Digest: digest.Digest(text), Form: verify.Form(text), Source: text,
			ClaimedType: text, ClaimedSigner: text, Reason: text, Signer: &signer, Facts: []verify.Fact{{Check: text, Against: text, Outcome: verify.Outcome(text), Cause: text}}})
		s.Verified = append(s.Verified, verify.Verified{Requirement: text, Signer: signer})
		s.Provenance = append(s.Provenance, Provenance{Platform: text, Builder: text, BuildType: text, Source: text, Ref: text, Commit: text, Invocation: text, Materials: []Material{{text, text}}})
		s.Report.Warnings = append(s.Report.Warnings, text)
		s.Report.Unread = append(s.Report.Unread, verify.Unread{What: text, Cause: text})
	}
	r := run(hostile[0], 3, s, &Subject{Subject: hostile[5], Verdict: hostile[0], Fix: hostile[9]})
	r.Tool = "hallmark/" + hostile[0]
	r.Policy = &Policy{Name: hostile[0], Digest: hostile[2], Environment: hostile[15], Files: []PolicyFile{{hostile[1], hostile[2]}}}
	return r
}

// manySample is what n images of a large deployment look like.
func manySample(n int) *Result {
	r := run(Rejected, 3)
	for i := range n {
		s := sampleSubject(fmt.Sprintf("registry.example/team/service-%04d:1", i), 30)
		if i%10 == 3 {
			s.breakIt(i%4, []string{Rejected, Missing, Inconclusive}[i%3], "no evidence that counts", "Ask its maker.")
		}
		r.Subjects = append(r.Subjects, s)
	}
	return r
}
