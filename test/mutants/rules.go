package main

// rule is a rule as it stands in a file, and the same place without it.
type rule struct {
	name     string
	file     string
	old, new string
	tests    string // arguments of go test
}

var rules = []rule{
	// What evidence must pass.
	{"the payload type is checked", "verify/assess.go", `if *evidence.payloadType != bundle.PayloadType {`, `if false {`, "./verify"},
	{"the signature is verified", "verify/assess.go", `err := key.Verify(evidence.message(), evidence.signature)`, `var err error`, "./verify"},
	{"the key's validity is checked", "verify/assess.go", `if !key.ValidAt(s.now) {`, `if false {`, "./verify"},
	{"a statement is about this digest", "verify/assess.go", "if !ok {\n\t\terr = fmt.Errorf(\"it is about", "if !ok && false {\n\t\terr = fmt.Errorf(\"it is about", "./verify"},
	{"a simple signing payload is about this digest", "verify/assess.go", `if statement.Digest != on.String() {`, `if false {`, "./verify"},
	{"the repository is compared", "verify/assess.go", `if named != s.policy.Repository {`, `if false {`, "./verify"},
	{"legacy evidence wants to be allowed", "verify/assess.go", `if !s.policy.AllowLegacy {`, `if false {`, "./verify"},
	{"a failed check keeps evidence from counting", "verify/assess.go", "\t\ta.accepted = false\n", "", "./verify"},
	{"legacy envelopes hold one signature", "verify/assess.go", `if len(envelope.Signatures) != 1 {`, `if len(envelope.Signatures) == 0 {`, "./verify"},
	{"the type of the payload is what was asked for", "verify/dossier.go", `a.accepted && t.Matches(a.predicateType)`, `a.accepted`, "./verify"},
	{"the manifest of a bundle has one layer", "verify/source.go", `if len(m.Layers) != 1 {`, `if false {`, "./verify"},
	{"a log entry is about this signature", "verify/logentry.go", `if string(logged) != string(evidence.signature) {`, `if false {`, "./verify"},
	{"a log entry is about this content", "verify/logentry.go", `if hex.EncodeToString(h.Sum(nil)) != strings.ToLower(logged.Value) {`, `if false {`, "./verify"},
	{"a file is what it was when it was pinned", "oci/file.go", `return newCheckedReader(f, subject.descriptor), nil`, `return f, nil`, "./verify"},

	// How a verdict is reached.
	{"a policy without requirements accepts nothing", "verify/verify.go", `case len(p.Requirements) == 0:`, `case false:`, "./verify"},
	{"what was not read is inconclusive", "verify/dossier.go", `case len(d.unread) > 0:`, `case false:`, "./verify"},
	{"what a label put off is read", "verify/dossier.go", `[][]Candidate{first, rest}`, `[][]Candidate{first, rest[:0]}`, "./verify"},
	{"a signature on platforms does not vouch for the index", "verify/verify.go", `case t.String() == policy.Signature && !c.narrowed:`, `case false:`, "./verify"},
	{"an SBOM on the index does not describe platforms", "verify/verify.go", `case t.DescribesPlatform() && c.policy.AcceptIndexSBOM:`, `case t.DescribesPlatform():`, "./verify"},
	{"every platform is asked", "verify/verify.go", `if len(bad) == 0 {`, `if len(good) > 0 {`, "./verify"},
	{"a platform that is not there is an error", "verify/verify.go", `if !matched[asked] {`, `if false {`, "./verify"},
	{"an SBOM on the index only is rejected, not missing", "verify/verify.go", `missed[i].Verdict = ErrRejected`, ``, "./verify"},
	{"the gravest verdict wins", "verify/verify.go", `return gravity(failures[i].Verdict) < gravity(failures[j].Verdict)`, `return false`, "./verify"},
	{"the number of pieces is bounded", "verify/dossier.go", `if d.read() >= d.limits.Pieces {`, `if false {`, "./verify"},
	{"who attaches does not conclude from what was not read", "verify/find.go", `if len(d.unread) > 0 && !enough(found) {`, `if false {`, "./verify"},

	// Wire formats.
	{"a member stands once", "bundle/json.go", `if !keys.add(key) {`, `if !keys.add(key) && false {`, "./bundle"},
	{"nesting is bounded", "bundle/json.go", `s.depth > MaxDepth {`, `s.depth > 1<<30 {`, "./bundle"},
	{"text is UTF-8", "bundle/json.go", `if !utf8.Valid(inner) {`, `if !utf8.Valid(inner) && false {`, "./bundle"},
	{"nothing follows a document", "bundle/json.go", `if s.pos != len(s.data) {`, `if false {`, "./bundle"},
	{"a bundle has one signature", "bundle/bundle.go", `if b.Envelope != nil && len(b.Envelope.Signatures) != 1 {`, `if false {`, "./bundle ./verify"},
	{"a bundle is of a known version", "bundle/bundle.go", `if !IsMediaType(b.MediaType) {`, `if false {`, "./bundle"},
	{"a bundle has one content", "bundle/bundle.go", `if (b.Envelope == nil) == (b.MessageSignature == nil) {`, `if false {`, "./bundle"},
	{"a bundle has one kind of key material", "bundle/bundle.go", `if content != 1 {`, `if false {`, "./bundle"},
	{"a statement is of a known type", "bundle/statement.go", `case s.Type != StatementV1 && s.Type != statementV01:`, `case false:`, "./bundle"},
	{"digest and algorithm are equal to the letter", "bundle/statement.go", `value == hex && hex != ""`, `hex != "" || value != ""`, "./bundle"},
	{"a predicate is JSON", "bundle/statement.go", `if err := CheckJSON(predicate); err != nil {`, `if err := CheckJSON(predicate); false {`, "./bundle"},
	{"a simple signing payload is cosign's", "bundle/legacy.go", `if kind != simpleSigningType {`, `if false {`, "./bundle"},

	// Keys.
	{"RSA keys have a size", "trust/key.go", `if bits < MinRSABits || bits > maxRSABits {`, `if false {`, "./trust"},
	{"a key file holds one key", "trust/key.go", `if len(bytes.TrimSpace(rest)) > 0 {`, `if len(bytes.TrimSpace(rest)) > 1<<30 {`, "./trust"},
	{"a signer verifies what it signed", "sign/signer.go", `if err := s.public.Verify(bundle.PAE(payloadType, payload), sig); err != nil {`, `if err := s.public.Verify(bundle.PAE(payloadType, payload), sig); false {`, "./sign"},
	{"a key without a password is protected by its mode", "sign/provider.go", `private && err == nil && open && !IsEncrypted(data)`, `false && private && err == nil && open && !IsEncrypted(data)`, "./sign"},

	// Stores.
	{"bytes match their digest", "oci/read.go", `r.verifier.Digest() != r.want.Digest`, `false`, "./oci -short -run TestFetch|TestResolve|TestLayoutBlobs"},
	{"pages of a listing are of the same registry", "oci/referrers.go", `if !r.isHome(u) {`, `if false {`, "./oci -short -run TestNextPageElsewhere"},
	{"only an answer that says so means that there is no referrers API", "oci/referrers.go", `case !noSuchAPI(err):`, `case false:`, "./oci -short -run TestListingFailsClosed"},
	{"a further page that is missing is an error", "oci/referrers.go", `if err != nil && !first {`, `if err != nil && !first && false {`, "./oci -short -run TestListingFailsClosed|TestReferrersPages|TestCutListing"},
	{"credentials stay with the registry", "oci/request.go", `if !r.isHome(req.URL) {`, `if false {`, "./oci -short -run TestUploadElsewhere|TestCredentialsStayHome"},
	{"a redirect does not leave https", "oci/transport.go", `via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https"`, `false`, "./oci -short -run TestRedirects"},
	{"unknown/unknown alone is no attestation", "oci/platform.go", `d.Annotations[buildkitType] != buildkitTypeValue`, `false`, "./oci -short -run TestBuildkitSigns|TestPlatforms"},
	{"a platform that says it is an attestation is one", "oci/platform.go", `!isUnknown(d.Platform) ||`, `false ||`, "./oci -short -run TestBuildkitSigns|TestPlatforms"},
	{"a writer looks again", "oci/merge.go", `return m.clock().Now(), m.pause(), nil`, `return m.clock().Now().Add(-2 * m.settle()), 0, nil`, "./oci -short -run TestFiftyWriters|TestForeignWriter|TestDropped|TestPutThatLandsLate"},
	{"entries found at once settle", "oci/merge.go", `standing = m.clock().Now()`, `standing = m.clock().Now().Add(-2 * m.settle())`, "./oci -short -run TestEntriesFoundAtOnceSettle|TestPutThatLandsLate"},
	{"a manifest has no member twice by any folding", "oci/manifest.go", `name = foldName(name)`, `name = strings.ToLower(name)`, "./oci -short -run TestParseManifest"},
	{"the members of a manifest are bounded", "oci/manifest.go", `if len(levels[top].seen) == maxMembers {`, `if false {`, "./oci -short -run TestParseManifest"},
	{"a 404 about content is no missing API", "oci/referrers.go", `case speaksOfContent(err):`, `case false:`, "./oci -short -run TestUnknownDigest|TestAPIStateAfter404"},
	{"links to pages are bounded", "oci/referrers.go", `if len(target) > maxLink {`, `if false {`, "./oci -short -run TestEndlessLink"},
	{"what was listed a moment ago is put back", "oci/merge.go", `return &merge{seen: seen,`, `return &merge{seen: seen[:0],`, "./oci -short -run TestListThatIsLostOnce"},
	{"content that is gone is no missing tag", "oci/layout.go", `if errors.Is(err, ErrNotFound) { // which would say`, `if false { // which would say`, "./verify"},
	{"an entry without a media type is read", "oci/layout.go", `if seen[d.Digest] || !labelled && d.Size > MaxManifest {`, `if seen[d.Digest] || !labelled {`, "./verify"},

	// What an attacker's reading of verify found.
	{"the inside of an envelope is no file", "verify/assess.go", `if bytes.HasPrefix(head, []byte("DSSEv1 ")) {`, `if false {`, "./verify"},
	{"a simple signing payload is no file", "verify/assess.go", `if _, err := bundle.ParseSimpleSigning(head); err == nil {`, `if false {`, "./verify"},
	{"a place that could not be read keeps the verdict open", "verify/verify.go", `if open := inconclusive(a); open != inconclusive(b) {`, `if open := inconclusive(a); false {`, "./verify"},
	{"a listing's media type hides nothing", "verify/source.go", `return oci.ParseManifest("", raw)`, `return oci.ParseManifest(d.MediaType, raw)`, "./verify"},
	{"the members of an object are bounded", "bundle/json.go", `if n == maxMembers {`, `if false {`, "./bundle"},
	{"types are bounded", "bundle/statement.go", `case len(s.PredicateType) > maxName:`, `case false:`, "./bundle"},
	{"hints are bounded", "bundle/bundle.go", `if err == nil && len(hint) > maxName {`, `if false {`, "./bundle"},
}
