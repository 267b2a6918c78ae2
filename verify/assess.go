package verify

import (
	"bytes"
	"context"
	"crypto"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/trust"
)

// Form is how a piece of evidence is written down.
type Form string

// Forms of evidence.
const (
	FormBundle            Form = "sigstore-bundle"
	FormLegacySignature   Form = "cosign-signature"   // a layer of a ".sig" tag
	FormLegacyAttestation Form = "cosign-attestation" // a layer of an ".att" tag
)

func (f Form) legacy() bool { return f != FormBundle }

// Piece is one piece of evidence as it was read: bytes that match the digest they
// were asked by, and nothing else known of them.
type Piece struct {
	Digest digest.Digest // of the manifest that names it, or of its own bytes
	Form   Form
	Source string // where it was found, for people
	// Bundle is what a Sigstore bundle holds, which is parsed as it arrives: its text is
	// not kept.
	Bundle *bundle.Bundle
	// Content are the bytes of a piece in one of the older forms.
	Content []byte
	// Signature and LogBundle are what a legacy ".sig" layer carries beside its
	// payload, decoded from base64 and as JSON.
	Signature []byte
	LogBundle []byte
	// Certificate, Chain and Timestamp are what a layer of either older form carries of
	// a keyless signature: PEM, PEM and JSON.
	Certificate, Chain, Timestamp []byte
	// Defect is what is wrong with its form, or with the manifest around it.
	Defect error

	stored func(context.Context) (io.ReadCloser, error)
}

// Open reads a piece as it is stored, from its beginning.
func (p Piece) Open(ctx context.Context) (io.ReadCloser, error) {
	if p.stored == nil {
		return io.NopCloser(bytes.NewReader(p.Content)), nil
	}
	return p.stored(ctx)
}

// assessor holds what every piece of evidence is judged against.
type assessor struct {
	root    trust.Root
	policy  policy.Policy
	subject oci.Subject
	// artifact opens the bytes of the subject where it is a file: signatures over a
	// file itself are made over them.
	artifact func() (io.ReadCloser, error)
	byDigest bool // the subject is a file of which only the digest is known
	now      time.Time

	inspecting sync.Mutex
	inspect    func(e Verified, predicateType string, predicate []byte)
	// wanted are types of SBOMs that references are followed for, besides those that the
	// policy asks for.
	wanted []policy.Type
}

// assessment is what is known of a piece once it is assessed. Its content is not
// kept.
type assessment struct {
	report        EvidenceReport
	predicateType string // what the payload says; empty if it says nothing readable
	refers        *Referral
	document      *Document // that it refers to, once it was read and found to be what it is called
	accepted      bool      // every check passed
	signer        Signer
	repository    string
	payload       digest.Digest // of what was signed
	named         string        // the repository that it names, as it names it
	names         []string      // under which the policy trusts the signer
	principals    []string      // what tells the signer from others: the key, the identity
	// bounded says that the certificate's short life bounds when it was signed. Anybody can
	// have a key's signature stamped again, later: its times are no more than upper bounds.
	bounded  bool
	since    time.Time        // the certificate is valid from here on
	contents map[int]*content // what requirements make of it, by their number
	exempts  map[int]exemptions
}

// trustedAs notes a name under which the policy trusts the signer.
func (a *assessment) trustedAs(name string) {
	if name != "" && !slices.Contains(a.names, name) {
		a.names = append(a.names, name)
	}
}

func principalKey(key trust.Key) string { return "key " + key.Fingerprint() }

// check notes a fact about a and reports whether evidence may still count.
func (a *assessment) check(name, against string, err error) bool {
	fact := Fact{Check: name, Against: against, Outcome: Passed}
	if err != nil {
		fact.Outcome, fact.Cause = Failed, err.Error()
		a.accepted = false
	}
	a.report.Facts = append(a.report.Facts, fact)
	return err == nil
}

// passed is how many checks passed.
func (a *assessment) passed() (n int) {
	for _, f := range a.report.Facts {
		if f.Outcome == Passed {
			n++
		}
	}
	return n
}

func (a *assessment) notChecked(name, cause string) {
	a.report.Facts = append(a.report.Facts, Fact{Check: name, Outcome: NotChecked, Cause: cause})
}

// signed is what every form of evidence comes down to before it is judged: one path
// of checks serves them all.
type signed struct {
	message     func() io.Reader // what the signature is made over
	digest      []byte           // or its digest, where that is all there is
	digestHash  crypto.Hash
	signature   []byte
	payload     []byte  // the statement or simple signing payload; nil: the artifact itself
	payloadType *string // of an envelope
	hint        string
	logEntries  []bundle.LogEntry

	certificates [][]byte // DER, the signer's first; empty: signed with a key
	timestamps   [][]byte // RFC 3161, DER
	envelope     []byte   // the envelope's own bytes, where the form keeps them
	stamped      []byte   // what timestamps may be over, beside the signature
}

// assess puts one piece of evidence on the digest on through every check.
func (s *assessor) assess(ctx context.Context, on digest.Digest, p Piece) assessment {
	a, payload := s.own(on, p)
	a.report.Counts = a.accepted
	if a.signer.Fingerprint != "" {
		a.signer.Names = a.names
		signer := a.signer
		a.report.Signer = &signer
	}
	if a.accepted {
		s.judgeContents(ctx, &a, payload)
	} else {
		a.report.Reason = a.firstFailure()
	}
	return a
}

// own puts a piece through the checks that are its own, whatever is asked of it.
func (s *assessor) own(on digest.Digest, p Piece) (assessment, []byte) {
	a := assessment{accepted: true, report: EvidenceReport{On: on, Digest: p.Digest, Form: p.Form, Source: p.Source}}
	if p.Form.legacy() {
		var err error
		if !s.policy.AllowLegacy {
			err = fmt.Errorf("evidence under tags, in cosign's older form, is not allowed to count")
		}
		a.check(CheckForm, "", err)
	}
	evidence, err := s.open(&a, p)
	a.report.ClaimedType = a.predicateType
	if !a.check(CheckFormat, string(p.Form), err) {
		return a, nil
	}
	s.checkPayloadType(&a, evidence)
	a.payload = payloadDigest(evidence.payload)
	if len(evidence.certificates) > 0 && (!p.Form.legacy() || !s.byTrustedKey(evidence)) {
		s.checkCertified(&a, evidence)
	} else {
		s.checkKeySigned(&a, evidence)
	}
	s.checkPayload(&a, on, p.Form, evidence)
	s.checkDenials(&a)
	return a, evidence.payload
}

// open takes a piece apart into what is judged. It also notes what the evidence
// says of itself, which tells people what there is, and a missing kind of evidence
// from a rejected one.
func (s *assessor) open(a *assessment, p Piece) (signed, error) {
	if p.Defect != nil {
		return signed{}, p.Defect
	}
	if p.Form.legacy() {
		return s.openLegacy(a, p)
	}
	b := p.Bundle
	evidence := signed{certificates: b.Certificates, logEntries: b.LogEntries, timestamps: b.Timestamps}
	if b.KeyHint != nil {
		evidence.hint = *b.KeyHint
		a.report.ClaimedSigner = "key " + printable(evidence.hint)
	}
	if b.Envelope != nil {
		return s.openEnvelope(a, b.Envelope, evidence)
	}
	return s.openMessage(a, b.MessageSignature, evidence)
}

func (s *assessor) openEnvelope(a *assessment, e *bundle.Envelope, evidence signed) (signed, error) {
	evidence.message = func() io.Reader { return bundle.PAE(e.PayloadType, e.Payload) }
	evidence.signature = e.Signatures[0].Sig
	evidence.payload = e.Payload
	evidence.payloadType = &e.PayloadType
	if statement, err := bundle.ParseStatement(e.Payload); err == nil {
		a.predicateType, a.refers = statement.PredicateType, Refers(statement)
	}
	return evidence, nil
}

// checkPayloadType checks that an envelope says that it holds a statement. The
// signature covers what it says.
func (s *assessor) checkPayloadType(a *assessment, evidence signed) {
	if evidence.payloadType == nil {
		return
	}
	var err error
	if *evidence.payloadType != bundle.PayloadType {
		err = fmt.Errorf("it is %q", printable(*evidence.payloadType))
	}
	a.check(CheckPayloadType, bundle.PayloadType, err)
}

// openMessage is for signatures over a file itself, as cosign sign-blob writes them.
func (s *assessor) openMessage(a *assessment, m *bundle.MessageSignature, evidence signed) (signed, error) {
	a.predicateType = bundle.PredicateSignature
	if s.artifact == nil && !s.byDigest {
		return signed{}, fmt.Errorf("%w: a signature over a file's bytes cannot speak about an image, nor, unless that is asked for, about a digest alone", bundle.ErrFormat)
	}
	evidence.signature = m.Signature
	if s.byDigest {
		evidence.digestHash = map[digest.Algorithm]crypto.Hash{digest.SHA256: crypto.SHA256, digest.SHA384: crypto.SHA384, digest.SHA512: crypto.SHA512}[s.subject.Digest().Algorithm()]
		var err error
		if evidence.digest, err = hex.DecodeString(s.subject.Digest().Encoded()); err != nil {
			return signed{}, err
		}
	} else {
		if err := s.ownFormat(); err != nil {
			return signed{}, err
		}
		evidence.message = func() io.Reader { return &lazyReader{open: s.artifact} }
	}
	// Tools that show the claim would show something that was never checked.
	if len(m.Digest) > 0 {
		if err := evidence.sameHash(hashValue{Value: hex.EncodeToString(m.Digest)}); err != nil {
			return signed{}, fmt.Errorf("the digest in the message signature: %w", err)
		}
	}
	return evidence, nil
}

// verify checks the signature with a key.
func (e signed) verify(key trust.Key) error {
	if e.digest != nil {
		return key.VerifyDigest(e.digestHash, e.digest, e.signature)
	}
	return key.Verify(e.message(), e.signature)
}

// ownFormat refuses a file that is what another kind of signature is made over: the
// encoding of an envelope or a simple signing payload, written to a file, would carry
// the signature of an attestation over as one of the file.
func (s *assessor) ownFormat() error {
	body, err := s.artifact()
	if err != nil {
		return err
	}
	defer body.Close()
	const most = 1 << 20
	head, err := io.ReadAll(io.LimitReader(body, most+1))
	if err != nil {
		return err
	}
	if bytes.HasPrefix(head, []byte("DSSEv1 ")) {
		return fmt.Errorf("%w: the file is the inside of a signed envelope, not an artifact", bundle.ErrFormat)
	}
	if _, err := bundle.ParseSimpleSigning(head); err == nil {
		return fmt.Errorf("%w: the file is a signed payload about an image, not an artifact", bundle.ErrFormat)
	}
	return nil
}

// checkPayload checks what was signed: that it is a statement, about this digest,
// and for the repository that was asked for.
func (s *assessor) checkPayload(a *assessment, on digest.Digest, form Form, evidence signed) {
	if evidence.payload == nil { // the file itself was signed, and its digest checked in reading
		s.checkRepository(a, "")
		return
	}
	if form == FormLegacySignature {
		s.checkSimpleSigning(a, on, evidence.payload)
		return
	}
	statement, err := bundle.ParseStatement(evidence.payload)
	if !a.check(CheckStatement, "", err) {
		return
	}
	about, ok := statement.Names(on.Algorithm().String(), on.Encoded())
	if on == s.subject.Digest() {
		for _, d := range s.subject.Digests() {
			if !ok {
				about, ok = statement.Names(d.Algorithm().String(), d.Encoded())
			}
		}
	}
	if !ok {
		err = fmt.Errorf("it is about %s", subjectsOf(statement))
	}
	a.check(CheckSubject, on.String(), err)
	a.repository, a.named = printable(about.Name), about.Name
	s.checkRepository(a, about.Name)
}

func (s *assessor) checkSimpleSigning(a *assessment, on digest.Digest, payload []byte) {
	statement, err := bundle.ParseSimpleSigning(payload)
	if !a.check(CheckStatement, "", err) {
		return
	}
	if statement.Digest != on.String() {
		err = fmt.Errorf("it is about %s", printable(statement.Digest))
	}
	a.check(CheckSubject, on.String(), err)
	a.repository, a.named = printable(statement.Reference), statement.Reference
	s.checkRepository(a, statement.Reference)
}

func (s *assessor) checkRepository(a *assessment, named string) {
	if s.policy.Repository == "" {
		return
	}
	var err error
	if named != s.policy.Repository {
		err = fmt.Errorf("it names %q", printable(named))
	}
	a.check(CheckRepository, s.policy.Repository, err)
}

func subjectsOf(s *bundle.Statement) string {
	const most = 3
	text := ""
	for i, subject := range s.Subjects {
		if i == most {
			return text + fmt.Sprintf(" and %d more", len(s.Subjects)-most)
		}
		if i > 0 {
			text += ", "
		}
		if sum, ok := subject.Digest["sha256"]; ok {
			text += "sha256:" + printable(sum)
		} else {
			text += "a subject without a sha256 digest"
		}
	}
	return text
}
