package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
)

const someType = "https://example.com/build-log"

// attested attests a predicate as the job's user, a minute later than what was before, and
// returns the digest of the evidence.
func (j *job) attested(kind, predicate string, more ...string) string {
	j.t.Helper()
	j.world.Advance(time.Minute)
	j.env["HALLMARK_ID_TOKEN"] = j.world.Token(j.claims)
	stdout, _ := j.run(0, append([]string{"attest", "--type", kind, "--predicate", j.write("predicate.json", []byte(predicate)), "-o", "json", j.image}, more...)...)
	var result struct{ Evidence []struct{ Evidence string } }
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || len(result.Evidence) != 1 {
		j.t.Fatalf("%v in %s", err, stdout)
	}
	return result.Evidence[0].Evidence
}

func (j *job) pruned(code int, more ...string) (stdout, stderr string) {
	j.t.Helper()
	return j.run(code, append([]string{"prune", "--certificate-identity", "dev@example.com", "--certificate-oidc-issuer", j.world.Issuer.URL, j.image}, more...)...)
}

// listed reports whether evidence is still listed.
func (j *job) listed(evidence string) bool {
	j.t.Helper()
	stdout, _ := j.run(0, "tree", j.image)
	return strings.Contains(stdout, evidence)
}

func (j *job) wantListed(there bool, evidence ...string) {
	j.t.Helper()
	for _, e := range evidence {
		if j.listed(e) != there {
			j.t.Errorf("%s: listed is %v, want %v", e, !there, there)
		}
	}
}

// What newer evidence by the same signer, of the same type and about the same digest
// supersedes goes, when asked to; nothing else does.
func TestPrune(t *testing.T) {
	j := newJob(t)
	j.run(0, "release", "--format", "spdx-json", j.image)
	j.claims = sigstore.Claims{"email": "other@example.com"}
	others := j.attested(someType, `{"n":0}`)
	j.claims = nil
	old, middle := j.attested(someType, `{"n":1}`), j.attested(someType, `{"n":2}`)
	scanned, scannedAgain := j.attested("vuln", scanResult("CVE-2026-1")), j.attested("vuln", scanResult())
	elsewhere := j.attested(someType, `{"n":3}`, "--platform", "linux/arm64")
	newest := j.attested(someType, `{"n":4}`)
	everything := []string{others, old, middle, scanned, scannedAgain, elsewhere, newest}

	stdout, _ := j.pruned(0)
	wants(t, stdout, "would remove", "2 of ", "would be removed. Nothing was: give --yes.", "superseded by "+newest)
	j.env["CI"] = "true"
	j.pruned(0) // a dry run in CI too
	delete(j.env, "CI")
	j.wantListed(true, everything...)

	stdout, _ = j.pruned(0, "--yes", "-o", "json")
	wants(t, stdout, `"schemaVersion": "hallmark.prune/v1"`, `"status": "removed"`, `"supersededBy": "`+newest+`"`)
	j.wantListed(false, old, middle)
	j.wantListed(true, others, scanned, scannedAgain, elsewhere, newest)
	j.verify(0, "--require", "signature", "--require", "spdx")

	stdout, _ = j.pruned(0, "--yes")
	wants(t, stdout, "Nothing is superfluous.")
	j.pruned(0, "--yes", "--type", "spdx")
	j.wantListed(true, scanned)
	j.pruned(0, "--yes", "--type", "vuln") // what is protected has to be named
	j.wantListed(false, scanned)
	j.wantListed(true, scannedAgain, others, newest)
}

// What a key signed can be stamped again by anybody: a newer stamp supersedes nothing.
func TestPruneKeepsWhatKeysSigned(t *testing.T) {
	j := newJob(t)
	j.env["HALLMARK_PASSWORD"] = "pw"
	prefix := filepath.Join(j.dir, "k")
	j.run(0, "keys", "generate", "--output-key-prefix", prefix)
	j.run(0, "sign", "--key", prefix+".key", j.image)
	var all []string
	for _, predicate := range []string{`{"n":1}`, `{"n":2}`} {
		all = append(all, j.attested(someType, predicate, "--key", prefix+".key", "--tsa"), j.attested("https://example.com/bare", predicate, "--key", prefix+".key"))
	}
	stdout, _ := j.run(0, "prune", "--key", prefix+".pub", "--insecure-ignore-tlog", "--trusted-root", j.env["HALLMARK_TRUSTED_ROOT"], "--yes", j.image)
	wants(t, stdout, "Nothing is superfluous.", "a key signed it, and anybody can have that stamped again", "nobody who is trusted says when it was signed")
	j.wantListed(true, all...)
}

// What the policy rests on stays, even where something newer is there.
func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	j := newJob(t)
	j.run(0, "release", "--format", "spdx-json", j.image)
	good, middle, bad := j.attested(someType, `{"ok":true}`), j.attested(someType, `{"ok":false,"n":1}`), j.attested(someType, `{"ok":false,"n":2}`)
	policy := j.write("policy.yaml", []byte(`
schemaVersion: hallmark.policy/v1
signers:
  dev: {identity: dev@example.com, issuer: "`+j.world.Issuer.URL+`"}
rules:
  - name: all
    subjects: ["example.com/**"]
    signatures: [{by: [dev]}]
    attestations: [{type: "`+someType+`", by: [dev], conditions: ["predicate.ok == true"]}]
`))
	j.run(0, "policy", "check", policy)
	j.run(0, "verify", "--policy", policy, "--as", "example.com/app", j.image)
	stdout, _ := j.run(0, "prune", "--policy", policy, "--as", "example.com/app", "--yes", j.image)
	wants(t, stdout, "what is asked for needs it")
	j.wantListed(true, good, bad)
	j.wantListed(false, middle)
	j.run(0, "verify", "--policy", policy, "--as", "example.com/app", j.image)
}

// What does not verify as it is, or cannot be read whole, is not touched.
func TestPruneRefuses(t *testing.T) {
	t.Run("unsigned", func(t *testing.T) {
		j := newJob(t)
		j.pruned(4, "--yes")
		_, stderr := j.run(2, "prune", j.image)
		wants(t, stderr, "Say whom you trust")
		j.run(2, "prune", "--key", "k.pub", "file:"+j.write("file", nil))
	})
	t.Run("unreadable evidence", func(t *testing.T) {
		j := newJob(t)
		j.run(0, "release", "--format", "spdx-json", j.image)
		old, _ := j.attested(someType, `{"n":1}`), j.attested(someType, `{"n":2}`)
		dir := strings.TrimSuffix(strings.TrimPrefix(j.image, "oci:"), ":app")
		lost := j.attested(someType, `{"n":3}`)
		raw, err := os.ReadFile(testkit.BlobFile(dir, digest.Digest(lost)))
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Layers []struct{ Digest digest.Digest }
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(testkit.BlobFile(dir, m.Layers[0].Digest)); err != nil {
			t.Fatal(err)
		}
		j.pruned(5, "--yes")
		j.wantListed(true, old)
	})
	t.Run("registry that deletes nothing", func(t *testing.T) {
		j := newJob(t)
		s := testkit.Registry(t, testkit.NoDeletes())
		j.image = testkit.PushImage(t, s, "team/app:v1", testkit.NewIndex())
		j.run(0, "release", "--format", "spdx-json", j.image)
		old, _ := j.attested(someType, `{"n":1}`), j.attested(someType, `{"n":2}`)
		stdout, _ := j.pruned(0, "--yes")
		wants(t, stdout, "not deleted", "the registry does not let the other 1 be deleted")
		j.wantListed(true, old)
		s.Use(testkit.FailCode(func(r *http.Request) bool { return r.Method == http.MethodDelete }, 403, "DENIED", nil, testkit.Always))
		_, stderr := j.pruned(5, "--yes")
		wants(t, stderr, "Log in", "nothing was written")
	})
}

// Evidence whose subject is gone goes when asked for, but not on the word of an answer that
// may mean something else.
func TestPruneOrphans(t *testing.T) {
	t.Parallel() // it waits for others' entries in lists under tags
	j := newJob(t)
	s := testkit.Registry(t, testkit.WithoutReferrers())
	keep := testkit.PushImage(t, s, "team/app:v1", testkit.NewIndex())
	doomed := testkit.NewIndex(testkit.File("other", "image"))
	j.image = testkit.PushImage(t, s, "team/app:v0", doomed)
	orphan := j.attested(someType, `{"n":1}`)
	scan := j.attested("vuln", scanResult())
	j.claims = sigstore.Claims{"email": "other@example.com"}
	others := j.attested(someType, `{"n":2}`)
	j.claims = nil
	gone := j.image
	j.image, j.env["HALLMARK_ID_TOKEN"] = keep, j.world.Token(nil)
	j.run(0, "sign", j.image)

	there := func(evidence string) bool { return testkit.GetManifest(t, s, "team/app", evidence) != nil }
	j.pruned(0, "--yes", "--orphans")
	if !there(orphan) {
		t.Fatal("evidence of an image that is there was removed")
	}
	path := gone[strings.LastIndex(gone, "@")+1:]
	s.Use(testkit.FailCode(testkit.PathHas("/manifests/"+path), 404, "NAME_UNKNOWN", nil, testkit.Always))
	_, stderr := j.pruned(0, "--yes", "--orphans")
	wants(t, stderr, "cannot be told from")
	if !there(orphan) {
		t.Fatal("a 404 that may be a missing right was believed")
	}
	s.Use(testkit.FailCode(testkit.PathHas("/manifests/"+path), 404, "MANIFEST_UNKNOWN", nil, testkit.Always))
	stdout, _ := j.pruned(0, "--orphans")
	wants(t, stdout, "would remove", "its subject is gone")
	stdout, _ = j.pruned(0, "--orphans", "--yes")
	wants(t, stdout, "removed")
	if there(orphan) || !there(others) || !there(scan) {
		t.Errorf("orphan %v, others' %v, scan %v", there(orphan), there(others), there(scan))
	}
	j.verify(0)
}

// Where evidence of several repositories is kept in one place, nothing there is known to be
// an orphan.
func TestPruneOrphansElsewhere(t *testing.T) {
	j := newJob(t)
	s := testkit.Registry(t)
	j.image = testkit.PushImage(t, s, "team/one:v1", testkit.NewIndex())
	j.run(0, "sign", "--evidence-repository", s.Host+"/team/evidence", j.image)
	_, stderr := j.pruned(2, "--yes", "--orphans", "--evidence-repository", s.Host+"/team/evidence")
	wants(t, stderr, "may hold evidence of images of other repositories")
}

// An SBOM by reference is superseded by one of its own format only.
func TestPruneReferences(t *testing.T) {
	j := newJob(t)
	j.run(0, "release", "--format", "spdx-json", "--by-reference", j.image)
	j.world.Advance(time.Minute)
	j.env["HALLMARK_ID_TOKEN"] = j.world.Token(nil)
	j.run(0, "release", "--format", "cyclonedx-json", "--by-reference", j.image)
	stdout, _ := j.pruned(0, "--yes")
	wants(t, stdout, "Nothing is superfluous.")
	j.verify(0, "--require", "signature", "--require", "spdx", "--require", "cyclonedx")
}

// What another environment of the policy rests on stays.
func TestPruneKeepsWhatEnvironmentsNeed(t *testing.T) {
	j := newJob(t)
	j.run(0, "release", "--format", "spdx-json", j.image)
	good, bad := j.attested(someType, `{"ok":true}`), j.attested(someType, `{"ok":false}`)
	policy := j.write("policy.yaml", []byte(`
schemaVersion: hallmark.policy/v1
signers:
  dev: {identity: dev@example.com, issuer: "`+j.world.Issuer.URL+`"}
rules:
  - {name: all, subjects: ["**"], signatures: [{by: [dev]}]}
environments:
  staging: {}
  production:
    rules:
      - {name: good, subjects: ["**"], attestations: [{type: "`+someType+`", by: [dev], conditions: ["predicate.ok == true"]}]}
`))
	with := []string{"--policy", policy, "--as", "example.com/app", j.image}
	j.run(0, append([]string{"verify", "--env", "production"}, with...)...)
	stdout, _ := j.run(0, append([]string{"prune", "--env", "staging", "--yes"}, with...)...)
	wants(t, stdout, "what is asked for needs it")
	j.wantListed(true, good, bad)
	j.run(0, append([]string{"verify", "--env", "production"}, with...)...)
}

// scanResult is a vulnerability result with some findings.
func scanResult(findings ...string) string {
	list := []string{}
	for _, id := range findings {
		list = append(list, `{"id":"`+id+`","severity":"high"}`)
	}
	return `{"invocation":{"uri":"","event_id":"","builder.id":""},"scanner":{"uri":"https://example.com/scanner","version":"1","db":{"uri":"","version":""},"result":{"vulnerabilities":[` +
		strings.Join(list, ",") + `]}},"metadata":{"scanStartedOn":"2026-01-15T12:00:00Z","scanFinishedOn":"2026-01-15T12:00:00Z"}}`
}
