package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/inventory"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sbom"
	"github.com/hallmark-project/hallmark/verify"
)

// checkRederive is the name of the requirement that an SBOM tells the truth.
const checkRederive = "rederive"

// rederive catalogues each image again and compares it with every SBOM that counted.
// What was generated before is never used: this is what the image itself shows.
func (b *bench) rederive(ctx context.Context, v *judgement) error {
	allowed := policy.Rederive{}
	switch {
	case v.plan.Rederive != nil:
		allowed = *v.plan.Rederive
	case !b.o.rederive:
		return nil
	}
	if v.target.images == nil {
		return usagef("%s: --rederive is for images", v.Subject.Subject)
	}
	images, err := imagesOf(v.target.subject, b.o.platforms)
	if err != nil {
		return err
	}
	report := verify.RequirementReport{Name: checkRederive, Asked: fmt.Sprintf("an SBOM that says what the image shows, but for %d missing, %d extra and %d changed packages",
		allowed.Missing, allowed.Extra, allowed.Changed)}
	var failures []verify.Failure
	for _, on := range images {
		state, err := b.rederiveOne(ctx, v, on, allowed)
		if err != nil {
			return err
		}
		report.On = append(report.On, state)
		if state.Outcome != verify.Passed {
			failures = append(failures, verify.Failure{Verdict: verify.ErrRejected, Type: checkRederive, On: state.Digest, Platform: state.Platform, Cause: state.Cause})
		}
	}
	v.Report.Requirements = append(v.Report.Requirements, report)
	if len(failures) > 0 {
		return &verify.Error{Subject: v.target.subject.String(), Failures: failures}
	}
	return nil
}

// rederiveOne compares the SBOMs of one image. Without one there is nothing that could
// tell the truth.
func (b *bench) rederiveOne(ctx context.Context, v *judgement, on oci.Platform, allowed policy.Rederive) (verify.DigestState, error) {
	state := verify.DigestState{Digest: on.Subject.Digest(), Platform: on.Name, Outcome: verify.Failed, Cause: "no SBOM that counts is there to compare: ask for one (--require spdx)"}
	again := map[string]*inventory.Document{}
	for _, s := range v.sboms {
		if s.on != on.Subject.Digest() || !v.verifiedBy(s.evidence) {
			continue
		}
		if again[s.doc.Format] == nil {
			doc, err := b.catalogue(ctx, v.target.images, on, s.doc.Format)
			if err != nil {
				return state, err
			}
			again[s.doc.Format] = doc
		}
		against, cause := untrue(s.doc, again[s.doc.Format], allowed)
		fact := verify.Fact{Check: checkRederive, Against: against, Outcome: verify.Passed, Cause: cause}
		if state.Evidence, state.Outcome, state.Cause = s.evidence, verify.Passed, ""; cause != "" {
			fact.Outcome = verify.Failed
		}
		if state.Checks = append(state.Checks, verify.PieceCheck{Evidence: s.evidence, Fact: fact}); cause != "" {
			state.Outcome, state.Cause = verify.Failed, fmt.Sprintf("the SBOM %s: %s", s.evidence, cause)
			return state, nil
		}
	}
	return state, nil
}

// formatsByName are the formats to generate for those that inventories have.
var formatsByName = map[string]sbom.Format{"spdx": sbom.SPDXJSON, "cyclonedx": sbom.CycloneDXJSON, "syft": sbom.SyftJSON}

func (b *bench) catalogue(ctx context.Context, store oci.Store, on oci.Platform, format string) (*inventory.Document, error) {
	docs, err := b.app.imageSBOM(ctx, store, on, []sbom.Format{formatsByName[format]})
	if err != nil {
		return nil, err
	}
	return inventory.Parse(docs[0].Bytes)
}

// untrue says what an SBOM has wrong, beyond what is tolerated.
func untrue(attested, shown *inventory.Document, allowed policy.Rederive) (against, cause string) {
	d := inventory.Compare(attested, shown)
	against = fmt.Sprintf("%d packages, %d missing, %d extra, %d changed", len(shown.Components), len(d.Added), len(d.Removed), len(d.Changed))
	var parts []string
	if len(d.Added) > allowed.Missing {
		parts = append(parts, fmt.Sprintf("%d packages of the image are missing from it: %s", len(d.Added), titles(d.Added)))
	}
	if len(d.Removed) > allowed.Extra {
		parts = append(parts, fmt.Sprintf("%d packages that it names are not in the image: %s", len(d.Removed), titles(d.Removed)))
	}
	if len(d.Changed) > allowed.Changed {
		var names []string
		for _, c := range d.Changed {
			names = append(names, fmt.Sprintf("%s is %s in the image, not %s", c.Name, c.New.Version, c.Old.Version))
		}
		parts = append(parts, fmt.Sprintf("%d packages have another version: %s", len(d.Changed), few(names)))
	}
	return against, strings.Join(parts, "; ")
}

func titles(list []inventory.Component) string {
	var names []string
	for _, c := range list {
		names = append(names, strings.TrimSpace(c.Name+" "+c.Version))
	}
	return few(names)
}

// few lists some of many.
func few(names []string) string {
	const most = 5
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (v *judgement) verifiedBy(evidence digest.Digest) bool {
	for _, row := range v.Verified {
		if row.Evidence == evidence {
			return true
		}
	}
	return false
}
