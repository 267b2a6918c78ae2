package render

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// Members of SARIF 2.1.0 (OASIS, errata 01) that are written.
type (
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
		Help             sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
		Properties   sarifProperties   `json:"properties"`
	}
	sarifProperties struct {
		Verdict  string `json:"verdict"`
		Subject  string `json:"subject"`
		On       string `json:"on,omitempty"`
		Platform string `json:"platform,omitempty"`
		Cause    string `json:"cause,omitempty"`
		Fix      string `json:"fix,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifInvocation struct {
		Successful bool   `json:"executionSuccessful"`
		ExitCode   int    `json:"exitCode"`
		EndTime    string `json:"endTimeUtc,omitempty"`
	}
	sarifRun struct {
		Verdict    string  `json:"verdict"`
		Policy     *Policy `json:"policy,omitempty"`
		JudgedAsOf string  `json:"judgedAsOf,omitempty"`
		Note       string  `json:"note,omitempty"`
	}
)

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	homepage    = "https://github.com/hallmark-project/hallmark"
)

// SARIF writes SARIF 2.1.0: a result for each failure, with a rule for each requirement
// that failed. The location is where the image is named, if that is known, and otherwise
// the image itself as a relative URI.
func SARIF(w io.Writer, r *Result) error {
	return buffered(w, func(b *bufio.Writer) error {
		rules := sarifRules(r)
		d := sarifDocument{b: b}
		d.text(`{"$schema":"` + sarifSchema + `","version":"2.1.0","runs":[{"tool":{"driver":`)
		d.value(sarifDriver{Name: "hallmark", Version: sarifVersion(r.Tool), InformationURI: homepage, Rules: rules.list})
		d.text(`},"columnKind":"unicodeCodePoints","invocations":[`)
		d.value(sarifInvocation{Successful: true, ExitCode: r.ExitCode, EndTime: stamp(r.JudgedAt)})
		d.text(`],"properties":`)
		d.value(sarifRun{Verdict: verdictOf(r.Verdict), Policy: r.Policy, JudgedAsOf: stamp(r.At), Note: judgedAsOf(r)})
		d.text(`,"results":[`)
		d.results(r, rules)
		d.text("\n]}]}\n")
		return d.err
	})
}

func sarifVersion(tool string) string {
	_, version, _ := strings.Cut(tool, "/")
	return version
}

// sarifDocument writes one result after the other, so that no document is in memory.
type sarifDocument struct {
	b   *bufio.Writer
	err error
}

func (d *sarifDocument) text(s string) {
	if d.err == nil {
		_, d.err = d.b.WriteString(s)
	}
}

func (d *sarifDocument) value(v any) {
	if d.err != nil {
		return
	}
	var raw []byte
	if raw, d.err = json.Marshal(v); d.err == nil {
		_, d.err = d.b.Write(raw)
	}
}

func (d *sarifDocument) results(r *Result, rules sarifIndex) {
	separator := "\n"
	for _, s := range r.Subjects {
		if s == nil {
			continue
		}
		for _, a := range answers(s) {
			if fails(a.Verdict) {
				d.text(separator)
				d.value(sarifResultOf(s, a, rules))
				separator = ",\n"
			}
		}
	}
}

// sarifIndex is the rules with their places in the list.
type sarifIndex struct {
	list  []sarifRule
	place map[string]int
}

func sarifRules(r *Result) sarifIndex {
	x := sarifIndex{list: []sarifRule{}, place: map[string]int{}}
	for _, s := range r.Subjects {
		if s == nil {
			continue
		}
		for _, a := range answers(s) {
			if _, have := x.place[a.Requirement]; have || !fails(a.Verdict) {
				continue
			}
			x.place[a.Requirement] = len(x.list)
			x.list = append(x.list, sarifRuleOf(a))
		}
	}
	return x
}

func sarifRuleOf(a answer) sarifRule {
	asked := a.Asked
	if asked == "" {
		asked = "What the policy asks for under this name."
	}
	return sarifRule{ID: sarifID(a.Requirement), ShortDescription: sarifText{sarifMessage("Evidence: " + a.Requirement)}, Help: sarifText{sarifMessage(asked)}}
}

// sarifID is a requirement's name as a rule's: it is not empty, and one line.
func sarifID(requirement string) string {
	if requirement == "" {
		return whole
	}
	return visible(requirement)
}

func sarifResultOf(s *Subject, a answer, rules sarifIndex) sarifResult {
	text := title(a.Verdict) + ": " + sarifID(a.Requirement) + " on " + a.place() + " of " + visible(s.Subject)
	if a.Cause != "" {
		text += ": " + visible(a.Cause)
	}
	if s.Fix != "" {
		text += "\nTo fix first: " + visible(s.Fix)
	}
	level := "error"
	if a.Verdict == Inconclusive {
		level = "warning"
	}
	return sarifResult{
		RuleID: sarifID(a.Requirement), RuleIndex: rules.place[a.Requirement], Level: level, Message: sarifText{sarifMessage(text)},
		Locations: sarifLocations(s), Fingerprints: map[string]string{"hallmark/v1": fingerprint(a.Requirement, s.Subject, a.Platform)},
		Properties: sarifProperties{a.Verdict, s.Subject, a.Digest, a.Platform, a.Cause, s.Fix},
	}
}

// fingerprint is the same for the same failure in another run, so that a platform knows
// it again after the image was built anew.
func fingerprint(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprint(h, strconv.Quote(part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sarifMessage is text without what a message may hold besides text: links are written
// with square brackets, and placeholders with braces, which are doubled (3.11.5, 3.11.6).
func sarifMessage(s string) string {
	return strings.NewReplacer("[", "(", "]", ")", "{", "{{", "}", "}}").Replace(s)
}

// mostNamed is how many places one result is shown at.
const mostNamed = 20

func sarifLocations(s *Subject) []sarifLocation {
	logical := []sarifLogical{{visible(s.Subject), "artifact"}}
	if len(s.Named) == 0 {
		l := sarifLocation{Logical: logical}
		l.Physical.Artifact.URI = relativeURI(s.Subject)
		return []sarifLocation{l}
	}
	var all []sarifLocation
	for _, named := range s.Named[:min(len(s.Named), mostNamed)] {
		file, line := fileAndLine(named)
		l := sarifLocation{Logical: logical}
		l.Physical.Artifact.URI = relativeURI(file)
		if line > 0 {
			l.Physical.Region = &sarifRegion{line}
		}
		all = append(all, l)
	}
	return all
}

func fileAndLine(named string) (string, int) {
	if i := strings.LastIndexByte(named, ':'); i > 0 {
		if line, err := strconv.Atoi(named[i+1:]); err == nil && line > 0 {
			return named[:i], line
		}
	}
	return named, 0
}

// relativeURI is a path as a URI reference that no reader takes for an absolute one.
func relativeURI(path string) string {
	parts := strings.Split(strings.TrimLeft(strings.ReplaceAll(path, `\`, "/"), "/"), "/")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(part), ":", "%3A")
	}
	if uri := strings.Join(parts, "/"); uri != "" {
		return uri
	}
	return "unnamed"
}
