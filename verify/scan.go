package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/policy"
)

// scan is a vulnerability result as it is weighed.
type scan struct {
	scanner  string
	at       time.Time // when it ended: what the scanner says, no later than it was signed
	findings []finding
}

// finding is a vulnerability in a package.
type finding struct {
	id       string
	aliases  []string
	severity string // one of [policy.Severities], the worst that was said, or empty
	unknown  bool   // somebody says a severity that cannot be read, or nobody says any
	purl     string
}

// Bounds on vulnerability results and exemptions.
const (
	maxFindings   = 200_000
	maxExemptions = 50_000
)

// ErrScan says that a vulnerability result cannot be read. What cannot be read is not
// clean.
var ErrScan = errors.New("the vulnerability result cannot be read")

// scanDocument has the members of the two predicate types, cosign's vuln/v1
// (https://github.com/sigstore/cosign/blob/main/specs/COSIGN_VULN_ATTESTATION_SPEC.md)
// and in-toto's vulns/v0.1 and v0.2
// (https://github.com/in-toto/attestation/tree/main/spec/predicates).
type scanDocument struct {
	Scanner struct {
		URI    string          `json:"uri"`
		Result json.RawMessage `json:"result"`
	} `json:"scanner"`
	Metadata struct {
		ScanFinishedOn time.Time `json:"scanFinishedOn"`
	} `json:"metadata"`
}

func parseScan(predicateType string, predicate []byte) (*scan, error) {
	var doc scanDocument
	if err := bundle.Decode(predicate, &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScan, err)
	}
	if doc.Metadata.ScanFinishedOn.IsZero() {
		return nil, fmt.Errorf("%w: it does not say when the scan ended", ErrScan)
	}
	s := &scan{scanner: doc.Scanner.URI, at: doc.Metadata.ScanFinishedOn}
	var err error
	if strings.Contains(predicateType, "in-toto.io") {
		s.findings, err = inTotoFindings(doc.Scanner.Result)
	} else {
		s.findings, err = scannerFindings(doc.Scanner.Result)
	}
	if err == nil && len(s.findings) > maxFindings {
		err = fmt.Errorf("%w: more than %d findings", ErrScan, maxFindings)
	}
	return s, err
}

func inTotoFindings(raw json.RawMessage) (out []finding, err error) {
	var list []struct {
		ID       string `json:"id"`
		Severity []struct {
			Method string `json:"method"`
			Score  string `json:"score"`
		} `json:"severity"`
		Annotations []map[string]any `json:"annotations"`
		// vulns/v0.1 has the vulnerability one level down.
		Vulnerability struct {
			ID string `json:"id"`
		} `json:"vulnerability"`
	}
	if nothing(raw) {
		return nil, fmt.Errorf("%w: it has no result", ErrScan)
	}
	if err := bundle.Decode(raw, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScan, err)
	}
	for _, one := range list {
		f := finding{id: one.ID}
		if f.id == "" {
			f.id = one.Vulnerability.ID
		}
		f.unknown = len(one.Severity) == 0
		for _, s := range one.Severity {
			severity := severityOf(s.Score)
			f.severity, f.unknown = worseSeverity(f.severity, severity), f.unknown || severity == ""
		}
		for _, a := range one.Annotations {
			if purl, ok := a["purl"].(string); ok {
				f.purl = purl
			}
		}
		out = append(out, f)
	}
	return out, named(out)
}

// nothing reports whether a member is not there, or null.
func nothing(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func named(list []finding) error {
	for _, f := range list {
		if f.id == "" {
			return fmt.Errorf("%w: a finding without an id", ErrScan)
		}
	}
	return nil
}

// scannerFindings reads what a scanner itself has printed: grype's JSON, trivy's JSON or
// SARIF.
func scannerFindings(raw json.RawMessage) ([]finding, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("%w: its result is no document of a scanner that this program knows: %w", ErrScan, err)
	}
	switch {
	case !nothing(members["matches"]):
		return grypeFindings(members["matches"])
	case !nothing(members["runs"]):
		return sarifFindings(members["runs"])
	case !nothing(members["Results"]) || members["SchemaVersion"] != nil && members["ArtifactName"] != nil: // trivy writes null for none
		return trivyFindings(members["Results"])
	}
	return nil, fmt.Errorf("%w: its result is none of grype's JSON, trivy's JSON and SARIF", ErrScan)
}

func grypeFindings(raw json.RawMessage) (out []finding, err error) {
	var list []struct {
		Vulnerability struct {
			ID       string `json:"id"`
			Severity string `json:"severity"`
		} `json:"vulnerability"`
		Related []struct {
			ID string `json:"id"`
		} `json:"relatedVulnerabilities"`
		Artifact struct {
			PURL string `json:"purl"`
		} `json:"artifact"`
	}
	if err := bundle.Decode(raw, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScan, err)
	}
	for _, m := range list {
		f := finding{id: m.Vulnerability.ID, severity: severityOf(m.Vulnerability.Severity), purl: m.Artifact.PURL}
		f.unknown = f.severity == ""
		for _, r := range m.Related {
			f.aliases = append(f.aliases, r.ID)
		}
		out = append(out, f)
	}
	return out, named(out)
}

func trivyFindings(raw json.RawMessage) (out []finding, err error) {
	var list []struct {
		Vulnerabilities []struct {
			ID       string `json:"VulnerabilityID"`
			Severity string `json:"Severity"`
			Package  struct {
				PURL string `json:"PURL"`
			} `json:"PkgIdentifier"`
		} `json:"Vulnerabilities"`
	}
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if err := bundle.Decode(raw, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScan, err)
	}
	for _, target := range list {
		for _, v := range target.Vulnerabilities {
			severity := severityOf(v.Severity)
			out = append(out, finding{id: v.ID, severity: severity, unknown: severity == "", purl: v.Package.PURL})
		}
	}
	return out, named(out)
}

// sarifFindings takes the severity from the rule's security-severity, a CVSS score.
func sarifFindings(raw json.RawMessage) (out []finding, err error) {
	var runs []struct {
		Tool struct {
			Driver struct {
				Rules []struct {
					ID         string `json:"id"`
					Properties struct {
						Severity any `json:"security-severity"`
					} `json:"properties"`
				} `json:"rules"`
			} `json:"driver"`
		} `json:"tool"`
		Results *[]struct {
			RuleID string `json:"ruleId"`
		} `json:"results"`
	}
	if err := bundle.Decode(raw, &runs); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScan, err)
	}
	for _, run := range runs {
		if run.Results == nil {
			return nil, fmt.Errorf("%w: a run of its SARIF has no results", ErrScan)
		}
		severities := map[string]string{}
		for _, rule := range run.Tool.Driver.Rules {
			if severities[rule.ID] = severityOf(fmt.Sprint(rule.Properties.Severity)); severities[rule.ID] == "none" {
				severities[rule.ID] = "" // how scanners write that they do not know
			}
		}
		for _, r := range *run.Results {
			out = append(out, finding{id: r.RuleID, severity: severities[r.RuleID], unknown: severities[r.RuleID] == ""})
		}
	}
	return out, named(out)
}

// severityOf reads a severity by name, or a CVSS score from 0 to 10 by the ranges of
// CVSS 3.1, section 5.
func severityOf(text string) string {
	name := strings.ToLower(text)
	switch name {
	case "negligible", "minimal", "informational":
		return "low"
	case "moderate":
		return "medium"
	case "important":
		return "high"
	}
	if slices.Contains(policy.Severities(), name) {
		return name
	}
	score, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsNaN(score) || score < 0 || score > 10:
		return ""
	case score >= 9:
		return "critical"
	case score >= 7:
		return "high"
	case score >= 4:
		return "medium"
	case score > 0:
		return "low"
	}
	return "none"
}

func worseSeverity(a, b string) string {
	if slices.Index(policy.Severities(), b) > slices.Index(policy.Severities(), a) {
		return b
	}
	return a
}

// checkScan reads a vulnerability result and how old it is: by its own word, and by
// trusted time where there is one, whichever is older.
func (s *assessor) checkScan(c *content, r *policy.Requirement, a *assessment, what *said) {
	read, err := parseScan(what.predicateType, what.predicate)
	if !c.check(CheckScan, what.predicateType, err) {
		c.banned = "a result that counts cannot be read"
		return
	}
	if signed := a.signer.When(); !signed.IsZero() && signed.Before(read.at) {
		read.at = signed
	}
	c.scanned = read
	if read.at.After(s.now.Add(clockSkew)) {
		c.check(CheckAge, "", fmt.Errorf("the scan ended at %s, which is yet to come", read.at.UTC().Format(time.RFC3339)))
	} else if r.MaxAge > 0 {
		c.check(CheckAge, ageAgainst(r.MaxAge), tooOld(read.at, r.MaxAge, s.now))
	}
}

// weighScans looks at the newest result of each scanner and signer: none may have a
// finding that is not accepted.
func (s *standing) weighScans(d *dossier, requirement int, r *policy.Requirement, good []*assessment) (clean []*assessment) {
	for i := range d.assessed {
		if c := d.assessed[i].contents[requirement]; c != nil && c.scanned == nil && c.banned != "" {
			s.together(CheckFindings, d.assessed[i].report.Digest.String(), fmt.Errorf("%s: %s", d.assessed[i].report.Digest, c.banned))
			return nil
		}
	}
	for _, a := range good {
		if newer := newerScan(a, good, requirement); newer != nil {
			continue
		}
		left, exempt := d.unexcused(a, requirement, r)
		against := fmt.Sprintf("%d findings, %d of them accepted", len(a.contents[requirement].scanned.findings), exempt)
		if len(left) > 0 {
			s.together(CheckFindings, against, fmt.Errorf("%s has %s", a.report.Digest, describeFindings(left)))
			return nil
		}
		s.together(CheckFindings, against, nil)
		clean = append(clean, a)
	}
	return clean
}

// newerScan is a newer result by the same scanner and signer.
func newerScan(a *assessment, all []*assessment, requirement int) *assessment {
	mine := a.contents[requirement].scanned
	for _, other := range all {
		theirs := other.contents[requirement].scanned
		if other != a && theirs.scanner == mine.scanner && samePerson(a, other) && theirs.at.After(mine.at) {
			return other
		}
	}
	return nil
}

func describeFindings(list []finding) string {
	const most = 5
	var parts []string
	for _, f := range list[:min(len(list), most)] {
		severity := f.severity
		if severity == "" {
			severity = "of unknown severity"
		}
		parts = append(parts, strings.TrimSuffix(fmt.Sprintf("%s (%s) in %s", printable(f.id), severity, printable(f.purl)), " in "))
	}
	text := strings.Join(parts, ", ")
	if more := len(list) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// unexcused are the findings that nothing excuses, and how many are excused.
func (d *dossier) unexcused(a *assessment, requirement int, r *policy.Requirement) (left []finding, excused int) {
	rule, order := r.Vulnerabilities, policy.Severities()
	exemptions := d.exemptions(requirement)
	for _, f := range a.contents[requirement].scanned.findings {
		switch {
		case slices.Index(order, f.severity) < slices.Index(order, rule.Severity) && (!f.unknown || rule.AcceptUnknown):
		case acceptedFinding(rule.Accepted, f, d.assessor.now), exemptions.excuse(f):
			excused++
		default:
			left = append(left, f)
		}
	}
	return left, excused
}

func acceptedFinding(list []policy.AcceptedFinding, f finding, now time.Time) bool {
	return f.under(func(name string) bool {
		return slices.ContainsFunc(list, func(a policy.AcceptedFinding) bool {
			return strings.EqualFold(a.ID, name) && (a.Until.IsZero() || now.Before(a.Until))
		})
	})
}

// under reports whether something holds of a finding: of its own name, or of all the
// others that it goes by. An advisory about several vulnerabilities is not done with one.
func (f finding) under(holds func(name string) bool) bool {
	if holds(f.id) {
		return true
	}
	return len(f.aliases) > 0 && !slices.ContainsFunc(f.aliases, func(name string) bool { return !holds(name) })
}
