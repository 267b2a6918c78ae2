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
	{"the signature is verified", "verify/keysigned.go", `err := evidence.verify(key)`, `var err error`, "./verify"},
	{"the key's validity is checked", "verify/keysigned.go", `if !key.Validity.Contains(t) {`, `if false {`, "./verify"},
	{"a statement is about this digest", "verify/assess.go", "if !ok {\n\t\terr = fmt.Errorf(\"it is about", "if !ok && false {\n\t\terr = fmt.Errorf(\"it is about", "./verify"},
	{"a simple signing payload is about this digest", "verify/assess.go", `if statement.Digest != on.String() {`, `if false {`, "./verify"},
	{"the repository is compared", "verify/assess.go", `if named != s.policy.Repository {`, `if false {`, "./verify"},
	{"legacy evidence wants to be allowed", "verify/assess.go", `if !s.policy.AllowLegacy {`, `if false {`, "./verify"},
	{"a given statement is about what it is attached to", "attest/statement.go", "; !ok {\n\t\treturn fmt.Errorf(\"%w: the statement", "; !ok && false {\n\t\treturn fmt.Errorf(\"%w: the statement", "./attest"},
	{"a failed check keeps evidence from counting", "verify/assess.go", "\t\ta.accepted = false\n", "", "./verify"},
	{"legacy envelopes hold one signature", "verify/legacyform.go", `if len(envelope.Signatures) != 1 {`, `if len(envelope.Signatures) == 0 {`, "./verify"},
	{"the type of the payload is what was asked for", "verify/content.go", `if !r.Wants(a.predicateType) {`, `if false {`, "./verify"},
	{"the manifest of a bundle has one layer", "verify/source.go", `if len(m.Layers) != 1 {`, `if false {`, "./verify"},
	{"a log entry is about this signature", "verify/logentry.go", `if about.signature != nil && !bytes.Equal(about.signature, evidence.signature) {`, `if false {`, "./verify"},
	{"a log entry is about this content", "verify/logentry.go", `if hex.EncodeToString(h.Sum(nil)) != strings.ToLower(logged.Value) {`, `if false {`, "./verify"},
	{"a file is what it was when it was pinned", "oci/file.go", `return newCheckedReader(f, subject.descriptor), nil`, `return f, nil`, "./verify"},

	// How a verdict is reached.
	{"a policy without requirements accepts nothing", "verify/verify.go", `case len(p.Requirements) == 0:`, `case false:`, "./verify"},
	{"what was not read is inconclusive", "verify/standing.go", `case len(d.unread) > 0:`, `case false:`, "./verify"},
	{"what a label put off is read", "verify/dossier.go", `[][]Candidate{first, rest}`, `[][]Candidate{first, rest[:0]}`, "./verify"},
	{"a signature on platforms does not vouch for the index", "verify/verify.go", `case r.Type.String() == policy.Signature && !c.narrowed:`, `case false:`, "./verify"},
	{"an SBOM on the index does not describe platforms", "verify/verify.go", `case r.Type.DescribesPlatform() && (c.policy.AcceptIndexSBOM || r.AcceptOnIndex):`, `case r.Type.DescribesPlatform():`, "./verify"},
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
	{"a bundle has one kind of key material", "bundle/bundle.go", `if err == nil && content != 1 {`, `if err == nil && content > 9 {`, "./bundle"},
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
	{"the inside of an envelope is no file", "verify/assess.go", `if bytes.HasPrefix(head, []byte("DSSEv1 ")) {`, `if bytes.HasPrefix(head, nil) && false {`, "./verify"},
	{"a simple signing payload is no file", "verify/assess.go", `if _, err := bundle.ParseSimpleSigning(head); err == nil {`, `if false {`, "./verify"},
	{"a place that could not be read keeps the verdict open", "verify/verify.go", `if open := inconclusive(a); open != inconclusive(b) {`, `if open := inconclusive(a); false {`, "./verify"},
	{"a listing's media type hides nothing", "verify/source.go", `return oci.ParseManifest("", raw)`, `return oci.ParseManifest(d.MediaType, raw)`, "./verify"},
	{"the members of an object are bounded", "bundle/json.go", `if n == maxMembers {`, `if false {`, "./bundle"},
	{"types are bounded", "bundle/statement.go", `case len(s.PredicateType) > maxName:`, `case false:`, "./bundle"},
	{"hints are bounded", "bundle/bundle.go", `if err == nil && len(hint) > maxName {`, `if false {`, "./bundle"},

	// Without a key: the certificate.
	{"the certificate's key made the signature", "verify/keyless.go", `!a.check(CheckSignature, key.Name, evidence.verify(key))`, `!a.check(CheckSignature, key.Name, nil)`, "./verify"},
	{"a certificate chains to a trusted authority", "trust/authority.go", `leaf.Verify(x509.VerifyOptions{Roots: roots,`, `leaf.Verify(x509.VerifyOptions{Roots: func() *x509.CertPool { p := x509.NewCertPool(); p.AddCert(leaf); return p }(),`, "./verify"},
	{"the whole chain is valid at the time of signing", "trust/authority.go", `CurrentTime: t,`, `CurrentTime: leaf.NotBefore,`, "./verify"},
	{"a certificate is for signing code", "trust/authority.go", `x509.ExtKeyUsageCodeSigning}`, `x509.ExtKeyUsageAny}`, "./verify"},
	{"an authority has its window", "trust/authority.go", `if !a.Validity.Contains(t) {`, `if false {`, "./verify"},
	{"every trusted time falls into the certificate's validity", "trust/authority.go", `for _, t := range times {`, `for _, t := range times[:1] {`, "./verify"},
	{"evidence brings no root with it", "verify/keyless.go", `if bundle.SelfSigned(der) {`, `if bundle.SelfSigned(der) && false {`, "./verify"},
	{"a certificate names one signer", "bundle/certificate.go", `len(names) != 1 || names[0] == ""`, `len(names) == 0 || names[0] == ""`, "./bundle"},
	{"a bundle of version 0.3 has no chain", "bundle/bundle.go", `if b.chain && `, `if false && `, "./verify"},
	{"a bundle has inclusion proofs", "bundle/bundle.go", `if entry.Proof == nil && `, `if false && `, "./verify"},
	{"numbers are natural", "bundle/logentry.go", `if err != nil || n < 0 {`, `if err != nil {`, "./bundle"},
	{"a message signature's digest is the file's", "verify/assess.go", `if len(m.Digest) > 0 {`, `if false {`, "./verify"},

	// Certificate transparency.
	{"a certificate log signed the timestamp", "trust/sct.go", `if err := s.verify(log, tbs, issuer); err != nil {`, `if err := s.verify(log, tbs, issuer); false {`, "./verify"},
	{"a certificate log has its window", "trust/sct.go", `if !log.Key.Validity.Contains(t) {`, `if false {`, "./verify"},
	{"an authority with certificate logs wants their word", "verify/keyless.go", `if need == 0 && len(i.CTLogs) > 0 {`, `if false {`, "./verify"},
	{"certificate logs are counted once", "trust/sct.go", `if !slices.ContainsFunc(logs,`, `if true || !slices.ContainsFunc(logs,`, "./verify"},

	// Transparency logs.
	{"a log entry is about this signer", "verify/logentry.go", `if err == nil && !ours(v) {`, `if err == nil && !ours(v) && false {`, "./verify"},
	{"a log entry is what it is called", "verify/logentry.go", `if entry.Kind != "" && `, `if false && `, "./verify"},
	{"a log signed the checkpoint", "trust/checkpoint.go", `if !signed {`, `if false {`, "./verify"},
	{"a signature on a checkpoint is the log's", "trust/checkpoint.go", `if err := l.Key.Verify(strings.NewReader(text), raw[hintSize:]); err != nil {`, `if err := l.Key.Verify(strings.NewReader(text), raw[hintSize:]); false {`, "./verify"},
	{"a checkpoint is the log's own", "trust/checkpoint.go", `if host := hostOf(l.URI); origin != host {`, `if host := hostOf(l.URI); false {`, "./trust"},
	{"the checkpoint is of the proof's tree", "trust/log.go", `if c.size != p.TreeSize || !bytes.Equal(c.root, p.RootHash) {`, `if false {`, "./verify"},
	{"the proof leads to the root", "trust/log.go", `leaf, p.Hashes, c.root); err != nil {`, `leaf, p.Hashes, c.root); err != nil && false {`, "./verify"},
	{"the log signed its promise", "trust/log.go", `if err := l.Key.Verify(bytes.NewReader(signed), sig); err != nil {`, `if err := l.Key.Verify(bytes.NewReader(signed), sig); false {`, "./verify"},
	{"a log's key has its window at the promised time", "trust/log.go", `if !l.Key.Validity.Contains(t) {`, `if false {`, "./verify"},
	{"a log had begun", "verify/hearing.go", `if !began || ended {`, `if began && ended {`, "./verify"},
	{"a log had not ended before the signature", "verify/hearing.go", `if !began || ended {`, `if !began && !ended {`, "./verify"},
	{"an instance with logs wants an entry", "verify/hearing.go", `if need == 0 && len(h.instance.Logs) > 0 {`, `if false {`, "./verify"},
	{"logs are counted once", "verify/hearing.go", `h.logs = addOnce(h.logs, log.Authority())`, `h.logs = append(h.logs, log.Authority())`, "./verify"},
	{"what is pending is allowed by the policy alone", "verify/hearing.go", `if s.policy.AllowPending && s.policy.Logs == 0 {`, `if true {`, "./verify"},
	{"pending has no entry of anybody's", "verify/hearing.go", `if len(evidence.logEntries) == 0 && len(h.stamps) > 0 {`, `if len(h.stamps) > 0 {`, "./verify"},
	{"a time that no signature covers is no time", "trust/log.go", `t := time.Unix(p.IntegratedTime, 0)`, `t := time.Unix(p.IntegratedTime+3600, 0)`, "./verify"},

	// Timestamps.
	{"a timestamp authority has its window", "trust/authority.go", `if !a.Validity.Contains(stamped.Time) {`, `if false {`, "./verify"},
	{"keyless evidence wants a trusted time", "verify/hearing.go", `if len(h.instance.Logs)+len(h.instance.TSAs) > 0 {`, `if false {`, "./verify"},
	{"timestamp authorities are counted once", "verify/hearing.go", `h.stamps = addOnce(h.stamps, authority.Authority())`, `h.stamps = append(h.stamps, authority.Authority())`, "./verify"},
	{"as many timestamps as the policy wants", "verify/hearing.go", `if need := s.policy.Timestamps; len(h.stamps) < need {`, `if need := s.policy.Timestamps; len(h.stamps) < need && false {`, "./verify"},

	// Identities.
	{"the name is the one wanted", "verify/identity.go", `if want != "" && has != want {`, `if false {`, "./verify"},
	{"a pattern matches all of a name", "policy/identity.go", "regexp.Compile(`\\A(?:` + source + `)\\z`)", "regexp.Compile(source)", "./verify"},
	{"a claim is the one wanted", "verify/identity.go", `case has != claim.Value:`, `case false:`, "./verify"},
	{"a claim that is not made does not hold", "verify/identity.go", "case has == \"\":\n\t\t\treturn fmt.Errorf(", "case has == \"\":\n\t\t\tcontinue\n\t\t\treturn fmt.Errorf(", "./verify"},
	{"an identity pins somebody down", "verify/verify.go", `if err := identity.Check(); err != nil {`, `if err := identity.Check(); false {`, "./verify"},
	{"the shorthand asks for the source repository", "policy/identity.go", `Issuer: GitHubIssuer, Claims: Claims{SourceRepository: url}}`, `Issuer: GitHubIssuer}`, "./internal/cli -run TestGitHubShorthand"},
	{"roots are not added up", "verify/hearing.go", `		if h.ok && suits(instance) {
			return h
		}
`, `		h.times, h.stamps, h.logs = append(h.times, best.times...), append(h.stamps, best.stamps...), append(h.logs, best.logs...)
		h.ok = h.ok || i > 0
		if h.ok {
			return h
		}
`, "./verify"},
	{"keys are held to the log where that is asked", "verify/keysigned.go", `if s.root.KeysInLog || s.policy.Logs > 0 || s.policy.Timestamps > 0 {`, `if s.policy.Logs > 0 || s.policy.Timestamps > 0 {`, "./verify"},

	// Signing without a key.
	{"a token is for the certificate authority", "oidc/token.go", `case !slices.Contains(t.Audience, audience):`, `case !slices.Contains(t.Audience, audience) && false:`, "./internal/cli -run TestTokens"},
	{"a token has not ended", "oidc/token.go", `case t.Expires.Before(now.Add(endMargin)):`, `case false:`, "./internal/cli -run TestTokens"},
	{"a new certificate is checked", "sign/keyless.go", `	cert, err := k.check(der, key)
	if err != nil {`, `	cert, err := bundle.ParseCertificate(der)
	if err != nil {`, "./internal/cli -run TestLyingServices"},
	{"a new certificate is for our key", "sign/keyless.go", `!ok || !public.Equal(key.Public())`, `!ok && !public.Equal(key.Public())`, "./internal/cli -run TestLyingServices"},
	{"a new certificate has its log's word", "sign/keyless.go", `if cause == nil && len(i.CTLogs) > 0 {`, `if false {`, "./internal/cli -run TestLyingServices"},
	{"a new entry is checked", "sign/notary.go", `if err := n.checkEntry(entry, b.SignatureBytes()); err != nil {`, `if err := n.checkEntry(entry, b.SignatureBytes()); false {`, "./internal/cli -run TestLyingServices"},
	{"a new timestamp is checked", "sign/notary.go", `if _, _, err = i.VerifyTimestamp(stamp, sig); err == nil {`, `if _, _, err = i.VerifyTimestamp(stamp, sig); true {`, "./internal/cli -run TestLyingServices"},
	{"logging later is refused where it is worth nothing", "sign/notary.go", `if !n.Later {
		return nil`, `if true {
		return nil`, "./internal/cli -run TestLogLater"},
	{"one certificate serves a run", "sign/keyless.go", `if k.current != nil && `, `if false && k.current != nil && `, "./internal/cli -run TestOneCertificate"},
	{"secrets go over TLS", "sign/client.go", `if err := secure(r); err != nil {`, `if err := secure(r); false {`, "./sign -run TestPlainHTTP"},
	{"redirects are not followed", "sign/client.go", `return http.ErrUseLastResponse }`, `return nil }`, "./sign -run TestRedirect"},
	{"a token is not echoed", "sign/client.go", `text = tokens.ReplaceAllString(text, "[token]")`, ``, "./sign -run TestSecretIsNotEchoed"},
	{"the budget bounds trying", "sign/client.go", `if failure.Elapsed+wait > budget {`, `if failure.Elapsed+wait > budget*10 {`, "./internal/cli -run TestOutages"},
	{"trust that is too old is refused", "internal/cli/trustflags.go", `if t.maxAge > 0 && age > t.maxAge {`, `if false {`, "./internal/cli -run TestStaleTrust|TestSnapshot"},
	{"another mirror wants its root", "internal/cli/trust.go", `if mirror != trust.PublicGoodMirror && root == nil {`, `if false {`, "./internal/cli -run TestTrustUpdate"},

	// What an attacker's reading of signing without a key found.
	{"a new entry is about our signature", "sign/notary.go", `if !bytes.Contains(entry.Body, `, `if false && !bytes.Contains(entry.Body, `, "./internal/cli -run TestReplayingLog"},
	{"a new bundle is judged before it is attached", "internal/cli/proof.go", `if err != nil && ctx.Err() == nil {`, `if err != nil && ctx.Err() == nil {
		return nil
	}
	if err != nil && ctx.Err() == nil {`, "./internal/cli -run TestUnverifiable"},
	{"somebody says when", "sign/keyless.go", `if !notary.tellsTime() {`, `if false {`, "./internal/cli -run TestUnverifiable"},
	{"a certificate is replaced before an outage could end it", "sign/keyless.go", `return min(k.client.budget()+time.Minute, `, `return min(0, `, "./sign -run TestCertificateIsReplaced"},
	{"waiting is bounded whatever is asked", "sign/client.go", `return time.Duration(min(seconds, most)) * time.Second`, `return time.Duration(seconds) * time.Second`, "./sign -run TestRetryAfter"},
	{"an attempt takes what is left of the budget", "sign/client.go", `patience = min(patience, max(left, time.Second))`, ``, "./sign -run TestRetryAfter"},
	{"errors of the transport hold no token", "sign/client.go", `return answer{}, withoutSecret(err, r.secret)`, `return answer{}, err`, "./sign -run TestMalformedAnswer"},
	{"thresholds hold for keys", "verify/keysigned.go", `if s.root.KeysInLog || s.policy.Logs > 0 || s.policy.Timestamps > 0 {`, `if s.root.KeysInLog {`, "./internal/cli -run TestThresholdsForKeys"},
	{"what was set up and got lost is not replaced", "trust/repository.go", `errors.Is(err, ErrUninitialized) && there == nil`, `false && there == nil`, "./internal/cli -run TestDamagedTrustFolder"},
	{"nobody signs tomorrow", "verify/hearing.go", `if t.After(s.now.Add(clockSkew)) {`, `if false {`, "./verify"},
	{"a signature beside a certificate is by a trusted key", "verify/keysigned.go", `if len(evidence.signature) > 0 && evidence.verify(key) == nil {`, `if len(evidence.signature) == 0 && evidence.verify(key) == nil {`, "./verify"},
	{"a digest alone is no file", "verify/assess.go", `if s.artifact == nil && !s.byDigest {`, `if s.byDigest = s.artifact == nil; false {`, "./verify"},
	{"an older attestation may be stamped as a whole", "verify/legacyform.go", `evidence.envelope, evidence.stamped = p.Content, p.Content`, `evidence.envelope = p.Content`, "./verify"},
	{"a new certificate names its issuer", "sign/keyless.go", `if cert.Issuer == "" {`, `if false {`, "./internal/cli -run TestLyingServices"},
	{"a signing configuration is what was signed", "trust/tuf.go", `if fetcher.err != nil || !strings.Contains(err.Error(), "getting info for target") {`, `if fetcher.err != nil || !strings.Contains(err.Error(), "target") {`, "./internal/cli -run TestTrustUpdate"},
	{"what was set up in the meantime stays", "trust/repository.go", `!errors.Is(err, ErrUninitialized) {
		return m, err`, `false {
		return m, err`, "./trust"},

	// What policies ask.
	{"one key under two names is one signer", "verify/standing.go", `if slices.ContainsFunc(have.ids, func(id string) bool { return slices.Contains(p.ids, id) }) {`, `if false {`, "./verify"},
	{"as many signers as are wanted", "verify/standing.go", `n < r.Needed() {`, `n < 1 {`, "./verify"},
	{"a requirement asks its own signers", "verify/content.go", `if len(r.By) == 0 {`, `if true {`, "./verify"},
	{"a requirement compares the repository", "verify/content.go", `if a.named != r.Repository {`, `if false {`, "./verify"},
	{"evidence has its age", "verify/content.go", `case now.Sub(t) > most:`, `case false:`, "./verify"},
	{"evidence of no time is too old", "verify/content.go", "case t.IsZero():\n\t\treturn", "case false:\n\t\treturn", "./verify"},
	{"a condition has to hold", "policy/condition.go", `} else if !holds {`, `} else if !holds && false {`, "./policy"},
	{"a condition is true or false", "policy/condition.go", `!out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {`, `false {`, "./policy"},
	{"a condition costs no more than it may", "policy/condition.go", `cel.CostLimit(maxConditionCost), `, ``, "./policy"},
	{"a condition that fails keeps evidence from counting", "verify/content.go", "fact.Outcome, fact.Cause = Failed, printable(err.Error())\n\t\tc.ok = false", "fact.Outcome, fact.Cause = Failed, printable(err.Error())", "./verify"},
	{"denied evidence does not count", "verify/content.go", `if d.Digest == "" && denies(d, a) {`, `if false {`, "./verify"},
	{"undated evidence is denied by dates", "verify/content.go", `case !d.IssuedAfter.IsZero() && !when.IsZero() && !when.After(d.IssuedAfter):`, `case !d.IssuedAfter.IsZero() && !when.After(d.IssuedAfter):`, "./verify"},
	{"a denied digest is rejected", "verify/verify.go", `if denial.Digest == d.on.String() {`, `if false {`, "./verify"},
	{"a denial asks for the fingerprint", "verify/content.go", `case d.Certificate != "" && d.Certificate != a.signer.Fingerprint:`, `case false:`, "./verify"},
	{"banned packages are found", "verify/sbomrule.go", `if p.MayMatch(banned.Pattern) {`, `if false {`, "./verify"},
	{"a package that cannot be told from a banned one is banned", "verify/sbomrule.go", `if p.MayMatch(banned.Pattern) {`, `if p.Matches(banned.Pattern) {`, "./verify"},
	{"other packages than the allowed are found", "verify/sbomrule.go", `if len(rule.AllowedPackages) > 0 && `, `if false && `, "./verify"},
	{"banned licences are found", "verify/sbomrule.go", `return !one(rule.BannedLicences, id) })`, `return true })`, "./verify"},
	{"no SBOM that counts names what is banned", "verify/sbomrule.go", `if c == nil || c.banned == "" || d.replaced(a, requirement) {`, `if true {`, "./verify"},
	{"an SBOM is replaced by a newer one only", "verify/sbomrule.go", `if same && a.bounded && !old.signer.When().IsZero() && a.signer.When().After(old.signer.When()) {`, `if same && a.bounded && a != old {`, "./verify"},
	{"the builder is trusted", "verify/provenance.go", `if !sameBuilder(builder.ID, b.Builder) {`, `if false {`, "./verify"},
	{"the builder is trusted for the level", "verify/provenance.go", `if builder.Level < rule.Level {`, `if false {`, "./verify"},
	{"a builder signs through whom the policy says", "verify/provenance.go", `if len(builder.By) > 0 && !named {`, `if false {`, "./verify"},
	{"a builder is bound to who signs", "verify/provenance.go", "if !named && !rule.SignersSpeak {\n\t\treturn", "if false {\n\t\treturn", "./verify"},
	{"the runner is what the certificate says", "verify/provenance.go", `environment != claims.RunnerEnvironment {`, `false && environment == "" {`, "./verify"},
	{"the source is what the certificate says", "verify/provenance.go", `if pair.certified != "" && pair.said != "" && pair.certified != pair.said {`, `if false {`, "./verify"},
	{"the source is what the policy wants", "verify/provenance.go", `if plainURL(source.Repository) != b.Source {`, `if false {`, "./verify"},
	{"the ref is what the policy wants", "verify/provenance.go", `if len(source.Refs) == 0 || `, `if true || `, "./verify"},
	{"the build type is what the policy wants", "verify/provenance.go", `if !slices.Contains(rule.BuildTypes, b.BuildType) {`, `if false {`, "./verify"},
	{"a parameter has the value that is expected", "verify/provenance.go", `if !sameJSON(raw, want) {`, `if false {`, "./verify"},
	{"a parameter that is expected is there", "verify/provenance.go", "if !there {\n\t\t\treturn fmt.Errorf(\"%q is not there\"", "if !there && false {\n\t\t\treturn fmt.Errorf(\"%q is not there\"", "./verify"},
	{"parameters are expected", "verify/provenance.go", `if rule.AnyParameters {`, `if true {`, "./verify"},
	{"the source says nothing but the source", "verify/provenance.go", "if !slices.Contains(members, name) {", "if !slices.Contains(members, name) && false {", "./verify"},
	{"whoever may speak for a builder is bound to their certificate", "verify/provenance.go", `b.Builder != claims.BuildSignerURI && (builder`, `false && (builder`, "./internal/cli -run TestForgedProvenance"},
	{"a builder that a flag names is that one", "internal/cli/expected.go", `rule.Builders = append(rule.Builders, policy.Builder{ID: id})`, `_ = id`, "./internal/cli -run TestProvenanceOf"},
	{"a ref that a flag names is that one", "internal/cli/expected.go", `Repository: wholeURL(b.repository), Refs: b.refs}`, `Repository: wholeURL(b.repository)}`, "./internal/cli -run TestProvenanceOf"},
	{"flags about provenance do not go with a policy", "internal/cli/judge.go", `err != nil || built != nil {`, `err != nil || built != nil && false {`, "./internal/cli -run TestNoJob"},

	// What a file may configure.
	{"the working tree only says how things look", "internal/cli/config.go", `case allowed != nil && !slices.Contains(allowed, s.Flag):`, `case false:`, "./internal/cli -run TestScripts/config"},
	{"the working tree does not choose files", "internal/cli/config.go", `if tree && f.Name == "output"`, `if false && f.Name == "output"`, "./internal/cli -run TestScripts/config"},
	{"a file adds nobody to whom the command line trusts", "internal/cli/config.go", `if chosen && slices.Contains(whom, s.Flag) {`, `if chosen && false {`, "./internal/cli -run TestScripts/config"},
	{"a file that says whom to trust is the user's", "internal/cli/config.go", `if info.Mode().Perm()&0o002 != 0 {`, `if info.Mode().Perm()&0o002 != 0 && false {`, "./internal/cli -run TestScripts/config"},
	{"an unknown setting is an error", "internal/cli/config.go", `case !flags[s.Flag]:`, `case false:`, "./internal/cli -run TestScripts/config"},
	{"--verbose shows no secret", "internal/cli/config.go", `case v.Secret:`, `case false:`, "./internal/cli -run TestVerbose"},

	// What provenance tells.
	{"only listed variables are told", "provenance/environment.go", `panic(name`, `_ = (name`, "./provenance"},
	{"a variable has its form", "provenance/environment.go", `if !w.form.MatchString(value) {`, `if false {`, "./provenance"},
	{"a variable is a short line", "provenance/environment.go", `if len(value) > maxValue || strings`, `if false && strings`, "./provenance"},
	{"the environment agrees with the certificate", "provenance/certify.go", `if pair.certified != "" && !pair.same(pair.certified, pair.known) {`, `if false {`, "./provenance"},
	{"the builder is the one of the certificate", "provenance/certify.go", `b.Builder = claims.BuildSignerURI`, ``, "./provenance"},
	{"flags do not contradict the job", "provenance/source.go", `if *fact.known != "" && *fact.known != fact.said {`, `if false {`, "./provenance"},
	{"a parameter does not pass for the source", "provenance/source.go", `if name == "source" || name == "workflow" || name == "configSource" {`, `if false {`, "./provenance"},
	{"the workflow is the repository's", "provenance/github.go", `if !ok || !mine ||`, `if !ok || !mine && false ||`, "./provenance"},
	{"a remote's password is left out", "provenance/source.go", `u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, `, `u.RawQuery, u.Fragment, u.ForceQuery = `, "./provenance"},
	{"a builder's URI has no password", "provenance/build.go", `if u.User != nil {`, `if false {`, "./provenance"},
	{"a dirty checkout tells no commit", "provenance/checkout.go", `if len(c.Dirty) > 0 {`, `if false {`, "./provenance"},
	{"a checkout runs nothing", "provenance/checkout.go", `"-c", "core.fsmonitor=false", `, ``, "./provenance"},
	{"a checkout is the one that was named", "provenance/checkout.go", `cmd.Env = gitEnvironment()`, ``, "./provenance"},
	{"metadata is of this build", "provenance/buildkit.go", `if one.digest != "" && one.digest == digest {`, `if one.digest != "" {`, "./provenance"},
	{"buildkit's materials have no password", "provenance/buildkit.go", `list[i].URI = u`, ``, "./provenance"},
	{"an annotation is one command", "internal/render/github.go", `escapeData.Replace(visible(text))`, `text`, "./internal/render"},
	{"an annotation has one property", "internal/render/github.go", `escapeProperty.Replace(visible(title))`, `visible(title)`, "./internal/render"},

	{"findings are not accepted", "verify/scan.go", "default:\n\t\t\tleft = append(left, f)", "default:\n\t\t\t_ = f", "./verify"},
	{"a finding of unknown severity is one", "verify/scan.go", `(!f.unknown || rule.AcceptUnknown):`, `true:`, "./verify"},
	{"an accepted finding is accepted until then", "verify/scan.go", `(a.Until.IsZero() || now.Before(a.Until))`, `true`, "./verify"},
	{"a result that cannot be read is not clean", "verify/scan.go", `c.scanned == nil && c.banned != "" {`, `c.scanned == nil && c.banned == "x" {`, "./verify"},
	{"the newest result counts", "verify/scan.go", `theirs.at.After(mine.at) {`, `theirs.at.Before(mine.at) {`, "./verify"},
	{"a scan is no newer than its signature", "verify/scan.go", `if signed := a.signer.When(); !signed.IsZero() && signed.Before(read.at) {`, `if false {
		signed := a.signer.When()`, "./verify"},
	{"nobody scans tomorrow", "verify/scan.go", `if read.at.After(s.now.Add(clockSkew)) {`, `if false {`, "./verify"},
	{"OpenVEX is heard from whom the policy says", "verify/vex.go", "if !slices.ContainsFunc(a.names, func(name string) bool { return slices.Contains(r.Vulnerabilities.VEX, name) }) {", "if false {", "./verify"},
	{"OpenVEX is about this image", "verify/vex.go", `if !product.about(a.report.On.String()) {`, `if false {`, "./verify"},
	{"OpenVEX excuses by its status", "verify/vex.go", `excuses: one.Status == "not_affected" || one.Status == "fixed"`, `excuses: true`, "./verify"},
	{"OpenVEX is about its packages", "verify/vex.go", `|| !e.covers(purl) {`, `{`, "./verify"},
	{"a verdict is on this policy", "verify/verdict.go", `have != rule.PolicyDigest {`, `have == "" {`, "./verify"},
	{"a verdict is about this resource", "verify/verdict.go", `if err = nil; rule.Resource != "" && summary.ResourceURI != rule.Resource {`, `if err = nil; false {`, "./verify"},
	{"a verdict names its verifier", "verify/verdict.go", `if id == "" || id == s.Verifier.ID {`, `if id == "" || true {`, "./verify"},
	{"a verdict has the levels", "verify/verdict.go", `if !slices.Contains(summary.Levels, level) {`, `if false {`, "./verify"},
	{"a verifier is no signer", "verify/verdict.go", "if !known {\n\t\t\treturn", "if !known && false {\n\t\t\treturn", "./internal/cli -run TestVerifierIsNoSigner"},
	{"a verdict is as old as it says", "verify/verdict.go", `at: s.TimeVerified}`, `at: a.signer.When()}`, "./verify"},
	{"an old verdict takes another back", "verify/verdict.go", `if meant = c.check(CheckVerdict, "resource "+rule.Resource, err) && meant; !meant {`, `if meant = c.check(CheckVerdict, "resource "+rule.Resource, err) && meant; !meant || summary.Result != ResultPassed && a.signer.When().IsZero() {`, "./verify"},
	{"a verdict is about the whole", "verify/verify.go", `case len(c.platforms) == 0, r.Verdict != nil: // a verdict is about the whole`, `case len(c.platforms) == 0:`, "./verify"},
	{"what must not be there vetoes from any place", "verify/verify.go", `if d.vetoes(requirement) {`, `if false {`, "./verify"},
	{"everything is read for what must not be there", "verify/standing.go", `return !final(&d.assessor.policy.Requirements[requirement]) && `, `return `, "./verify"},
	{"a key's signature may have been stamped again", "verify/content.go", `if when := a.signer.When(); !when.IsZero() && !a.bounded {`, `if false {`, "./verify"},
	{"a key's signature may be older than its stamp", "verify/content.go", `!when.IsZero() && a.bounded && !when.Before(d.IssuedBefore)`, `!when.IsZero() && !when.Before(d.IssuedBefore)`, "./verify"},
	{"a key's SBOM replaces none", "verify/sbomrule.go", `if same && a.bounded && `, `if same && `, "./verify"},
	{"an advisory is done with as a whole", "verify/scan.go", `return len(f.aliases) > 0 && !slices.ContainsFunc(f.aliases, func(name string) bool { return !holds(name) })`, `return slices.ContainsFunc(f.aliases, holds)`, "./verify"},
	{"an OpenVEX product that is a package is no image", "verify/vex.go", `e.packages = append(e.packages, id) // it is about`, `_ = id // it is about`, "./verify"},
	{"a run without results is not clean", "verify/scan.go", `if run.Results == nil {`, `if run.Results == nil { continue }; if false {`, "./verify"},
	{"a banned word in a licence nobody can read", "verify/sbomrule.go", `word != "" {`, `false {`, "./verify"},
	{"names differ by more than case", "bundle/decode.go", `case strings.EqualFold(name, m.Key) && `, `case false && `, "./bundle"},
	{"a pack that nobody sealed does not say what it is", "internal/cli/packread.go", `if sealed {`, `if true {`, "./internal/cli -run TestPack"},
	{"a repository's host has one spelling", "internal/cli/policyload.go", `return plainHost(as), nil`, `return as, nil`, "./internal/cli -run TestScripts/policy"},
	{"a verdict's policy is a digest", "internal/cli/judge.go", `case o.gate.policy != "" && !policy.IsDigest(o.gate.policy):`, `case false:`, "./internal/cli -run TestScripts/policy"},
	{"a verdict is one by its URI too", "internal/cli/judge.go", `o.require = verdictByName(o.require)`, ``, "./internal/cli -run TestScripts/policy"},
	{"the newest verdict counts", "verify/verdict.go", `if !slices.ContainsFunc(good, func(a *assessment) bool { return a.contents[requirement].verdict.newer(c.verdict) }) {`, `if false {`, "./verify"},
	{"what decides by the newest is read to the end", "verify/standing.go", `(!final(r) || len(d.unread) == 0 && d.exhausted)`, `(!final(r) || true)`, "./verify"},
	{"an authority of one's own vouches for its signer only", "verify/identity.go", `authority != identity.Authority {`, `authority == "\x00" {`, "./verify"},
	{"roles are apart in a policy", "policy/plan.go", `case has != want:`, `case false:`, "./policy"},
	{"roles are apart by key", "internal/cli/policyload.go", `verifier[one.Name] != verifier[other.Name] {`, `false {`, "./internal/cli -run TestScripts/policy"},
	{"a pattern of everything is refused", "policy/set.go", `if p != nil && p.matchesAll() {`, `if false {`, "./policy"},
	{"unknown fields are errors", "policy/yaml.go", "if !ok {\n\t\t\treturn d.wrong(key, \"unknown field", "if !ok && false {\n\t\t\treturn d.wrong(key, \"unknown field", "./policy"},
	{"a key stands once", "policy/yaml.go", `if seen[key.Value] {`, `if false {`, "./policy"},
	{"anchors are refused", "policy/yaml.go", `case n.Kind == yaml.AliasNode || n.Anchor != "":`, `case false:`, "./policy"},
	{"what no rule covers is rejected", "internal/cli/judge.go", "if !v.plan.Covered {\n\t\treturn b.uncovered", "if false {\n\t\treturn b.uncovered", "./internal/cli -run TestScripts/policy"},
	{"nothing but skipped is nothing verified", "internal/cli/judge.go", `if skipped == len(judged) {`, `if false {`, "./internal/cli -run TestScripts/policy"},
	{"a pack holds what its manifest says", "pack/pack.go", `if have != want {`, `if have != want && false {`, "./pack"},
	{"a pack has no other bytes", "pack/pack.go", `if !bytes.Equal(given.Sum(nil), canonical.Sum(nil)) {`, `if false {`, "./pack"},
	{"nothing is added to a pack", "pack/pack.go", "for name := range c.found {\n\t\treturn", "for name := range map[string]Entry{} {\n\t\treturn", "./pack"},
	{"paths in a pack lead nowhere else", "pack/pack.go", "if err := checkPath(h.Name); err != nil {", "if err := checkPath(h.Name); err != nil && false {", "./pack"},
	{"a pack is sealed by whom the command line names", "internal/cli/packread.go", "if err != nil {\n\t\treturn when, fmt.Errorf(\"the pack's signature", "if err != nil && false {\n\t\treturn when, fmt.Errorf(\"the pack's signature", "./internal/cli -run TestPack"},
	{"a pack vouches for nobody by itself", "internal/cli/packread.go", `!named && !outside {`, `false {`, "./internal/cli -run TestPack"},
	{"an SBOM says what the image shows", "internal/cli/rederive.go", `if state.Checks = append(state.Checks, verify.PieceCheck{Evidence: s.evidence, Fact: fact}); cause != "" {`, `if state.Checks = append(state.Checks, verify.PieceCheck{Evidence: s.evidence, Fact: fact}); false {`, "./internal/cli -run TestRederive"},
}
