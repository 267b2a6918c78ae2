package attest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/policy"
)

// ErrPredicate says that a predicate is not of the type that it was given as. It
// must not be signed; the user has to give another file or another type.
var ErrPredicate = errors.New("the predicate is not of its type")

// Predicate is what a statement says about its subject: JSON of a type that a URI
// names. JSON is kept byte for byte.
type Predicate struct {
	Type string
	JSON []byte

	statement []byte // the whole of it, where somebody else wrote it
	checked   bool   // JSON is known to be acceptable
	buffer    []byte // that JSON lies in, with room around it
}

// Signature is the predicate of a statement that vouches for its subject and says
// nothing else.
func Signature() Predicate {
	return Predicate{Type: bundle.PredicateSignature, JSON: []byte("{}")}
}

// NewPredicate checks data against a type as people name it (see
// [policy.ParseType]). Where a type has versions, the content tells which one it is.
// A type given as a URI that is not known is checked to be JSON and no more.
// Errors wrap [ErrPredicate] or come from [policy.ParseType].
func NewPredicate(typeName string, data []byte) (Predicate, error) {
	kind, err := policy.ParseType(typeName)
	if err != nil {
		return Predicate{}, err
	}
	if kind.String() == policy.Signature {
		return Predicate{}, fmt.Errorf("%w: a signature is made by signing, not by attesting", ErrPredicate)
	}
	if err := bundle.CheckJSON(data); err != nil {
		return Predicate{}, fmt.Errorf("%w: %w", ErrPredicate, err)
	}
	uri := kind.String()
	family := uri
	if strings.Contains(uri, ":") {
		family = policy.TypeOf(uri).String()
	}
	check, known := checks[family]
	if !known {
		return Predicate{Type: uri, JSON: data, checked: true}, nil
	}
	found, err := check(data)
	if err != nil {
		return Predicate{}, fmt.Errorf("%w %s: %w", ErrPredicate, typeName, err)
	}
	byURI := strings.Contains(uri, ":")
	if byURI && !strings.HasPrefix(uri, found) || !byURI && !kind.Matches(found) {
		return Predicate{}, fmt.Errorf("%w %s: by its content it is %s", ErrPredicate, typeName, found)
	}
	if byURI { // a version that was asked for by URI stays
		found = uri
	}
	return Predicate{Type: found, JSON: data, checked: true}, nil
}

// GivenStatement is the predicate of a statement that is to be signed as it is, byte for
// byte. The predicate is checked against its type as by [NewPredicate]; the subjects are
// compared when it is signed (see [Statement]).
func GivenStatement(payload []byte) (Predicate, error) {
	s, err := bundle.ParseStatement(payload)
	if err != nil {
		return Predicate{}, fmt.Errorf("%w: %w", ErrPredicate, err)
	}
	if _, err := policy.ParseType(s.PredicateType); err != nil || !strings.Contains(s.PredicateType, ":") {
		return Predicate{}, fmt.Errorf("%w: its predicateType %q is no URI", ErrPredicate, s.PredicateType)
	}
	p, err := NewPredicate(s.PredicateType, s.Predicate)
	p.statement = payload
	return p, err
}

// checks tell, for each type that has a name, the predicate type URI that data is.
var checks = map[string]func(data []byte) (uri string, err error){
	"spdx":           checkSPDX,
	"cyclonedx":      checkCycloneDX,
	"syft":           checkSyft,
	"slsaprovenance": checkProvenance,
	"vuln":           checkVuln,
	"openvex":        checkOpenVEX,
	"vsa":            checkVSA,
	"test-result":    checkTestResult,
	"link":           checkLink,
	"reference":      checkReference,
}

// condition is a member that a predicate must have, and whether it has it.
type condition struct {
	member string
	holds  bool
}

// need is an error that names the first member whose condition does not hold.
func need(conditions ...condition) error {
	for _, c := range conditions {
		if !c.holds {
			return fmt.Errorf("%s is missing or wrong", c.member)
		}
	}
	return nil
}

// checkProvenance tells SLSA 1 from 0.2 by their members.
func checkProvenance(data []byte) (string, error) {
	var doc struct {
		BuildDefinition json.RawMessage `json:"buildDefinition"`
		Builder         struct {
			ID string `json:"id"`
		} `json:"builder"`
		BuildType string `json:"buildType"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return "", err
	}
	if doc.BuildDefinition == nil {
		return "https://slsa.dev/provenance/v0.2", need(
			condition{"buildDefinition (v1) or builder.id (v0.2)", doc.Builder.ID != ""},
			condition{"buildType", doc.BuildType != ""},
		)
	}
	var p provenance.Provenance
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, &p); err != nil {
		return "", err
	}
	return "https://slsa.dev/provenance/v1", p.Validate()
}

// checkVuln knows cosign's form and in-toto's.
func checkVuln(data []byte) (string, error) {
	var doc struct {
		Scanner struct {
			URI    string          `json:"uri"`
			Result json.RawMessage `json:"result"`
		} `json:"scanner"`
		Metadata struct {
			Started  *time.Time `json:"scanStartedOn"`
			Finished *time.Time `json:"scanFinishedOn"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return "", err
	}
	uri := "https://cosign.sigstore.dev/attestation/vuln/v1"
	if doc.Metadata.Started != nil && doc.Scanner.Result != nil && strings.HasPrefix(string(doc.Scanner.Result), "[") {
		uri = "https://in-toto.io/attestation/vulns/v0.2"
	}
	return uri, need(
		condition{"scanner.uri", doc.Scanner.URI != ""},
		condition{"scanner.result", doc.Scanner.Result != nil},
		condition{"metadata.scanFinishedOn (RFC 3339)", doc.Metadata.Finished != nil},
	)
}

func checkOpenVEX(data []byte) (string, error) {
	var doc struct {
		Context    string            `json:"@context"`
		ID         string            `json:"@id"`
		Author     string            `json:"author"`
		Statements []json.RawMessage `json:"statements"`
	}
	err := json.Unmarshal(data, &doc)
	if err != nil {
		return "", err
	}
	return "https://openvex.dev/ns", need(
		condition{"@context (https://openvex.dev/ns…)", strings.HasPrefix(doc.Context, "https://openvex.dev/ns")},
		condition{"@id", doc.ID != ""},
		condition{"author", doc.Author != ""},
		condition{"statements", len(doc.Statements) > 0},
	)
}

func checkVSA(data []byte) (string, error) {
	var doc struct {
		Verifier struct {
			ID string `json:"id"`
		} `json:"verifier"`
		TimeVerified *time.Time `json:"timeVerified"`
		ResourceURI  string     `json:"resourceUri"`
		Policy       *struct{}  `json:"policy"`
		Result       string     `json:"verificationResult"`
	}
	err := json.Unmarshal(data, &doc)
	if err != nil {
		return "", err
	}
	return "https://slsa.dev/verification_summary/v1", need(
		condition{"verifier.id", doc.Verifier.ID != ""},
		condition{"timeVerified (RFC 3339)", doc.TimeVerified != nil},
		condition{"resourceUri", doc.ResourceURI != ""},
		condition{"policy", doc.Policy != nil},
		condition{"verificationResult (PASSED or FAILED)", doc.Result == "PASSED" || doc.Result == "FAILED"},
	)
}

func checkTestResult(data []byte) (string, error) {
	var doc struct {
		Result        string             `json:"result"`
		Configuration *[]json.RawMessage `json:"configuration"`
	}
	err := json.Unmarshal(data, &doc)
	if err != nil {
		return "", err
	}
	return "https://in-toto.io/attestation/test-result/v0.1", need(
		condition{"result (PASSED, WARNED or FAILED)", doc.Result == "PASSED" || doc.Result == "WARNED" || doc.Result == "FAILED"},
		condition{"configuration", doc.Configuration != nil},
	)
}

// checkLink tells the link of in-toto's own layouts, which names its type, from the
// attestation framework's.
func checkLink(data []byte) (string, error) {
	var doc struct {
		Type      string          `json:"_type"`
		Name      string          `json:"name"`
		Materials json.RawMessage `json:"materials"`
		Products  json.RawMessage `json:"products"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return "", err
	}
	if doc.Type == "link" || doc.Products != nil {
		return "https://in-toto.io/Link/v1", need(
			condition{"name", doc.Name != ""},
			condition{"materials", doc.Materials != nil},
		)
	}
	return "https://in-toto.io/attestation/link/v0.3", need(
		condition{"name", doc.Name != ""},
	)
}

func checkReference(data []byte) (string, error) {
	_, err := bundle.ParseReference(data)
	return bundle.PredicateReference, err
}
