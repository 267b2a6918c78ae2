package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/oci"
)

// trusting are the flags that trust the job's user.
func (j *job) trusting() []string {
	return []string{"--certificate-identity", "dev@example.com", "--certificate-oidc-issuer", j.world.Issuer.URL}
}

func (j *job) copied(code int, args ...string) (stdout, stderr string) {
	j.t.Helper()
	return j.run(code, append([]string{"copy"}, args...)...)
}

// From a registry into an archive and on into a registry that lists evidence in another
// way: the verdict is the same everywhere, the last one without a network, and every
// digest is.
func TestCopyTravels(t *testing.T) {
	t.Parallel()
	j := newJob(t)
	build, site := testkit.Registry(t), testkit.Registry(t, testkit.WithoutReferrers())
	j.image = testkit.PushImage(t, build, "team/app:v1", testkit.NewIndex())
	j.run(0, "release", "--format", "spdx-json", j.image)
	j.attested(someType, `{"n":1}`)
	policy := j.write("policy.yaml", []byte(`
schemaVersion: hallmark.policy/v1
signers:
  dev: {identity: dev@example.com, issuer: "`+j.world.Issuer.URL+`"}
rules:
  - name: all
    subjects: ["**"]
    signatures: [{by: [dev]}]
    sbom: {by: [dev], formats: [spdx]}
    attestations: [{type: "`+someType+`", by: [dev]}]
`))
	archive := "oci:" + filepath.Join(j.dir, "images.tar")
	stations := []string{j.image, archive + ":v1", site.Host + "/prod/app:v1", "oci:" + filepath.Join(j.dir, "folder") + ":v1"}
	var first string
	for i, station := range stations {
		if i > 0 {
			j.copied(0, stations[i-1], strings.TrimSuffix(station, ":v1")+":v1")
		}
		with := []string{"--policy", policy}
		if strings.HasPrefix(station, "oci:") {
			with = append(with, "--as", "example.com/app")
		}
		more := append([]string{"verify", "-o", "json", station}, with...)
		if i >= 2 {
			build.Use(testkit.Fail(testkit.Any, 500, nil, testkit.Always))
			more = append(more, "--offline")
		}
		stdout, _ := j.run(0, more...)
		verified := verifiedDigests(t, stdout)
		if first == "" {
			first = verified
		}
		if verified != first {
			t.Errorf("%s: verified\n%s\nat the first station\n%s", station, verified, first)
		}
		j.run(0, "tree", station)
		j.run(0, "show", "--type", someType, station)
		j.run(0, append([]string{"report", "-o", "markdown", station}, with...)...)
	}
}

// verifiedDigests is what a result says was verified, by digests alone.
func verifiedDigests(t *testing.T, stdout string) string {
	t.Helper()
	var result struct {
		Subjects []struct {
			Digest   string
			Verified []struct{ Requirement, On, Evidence, Payload string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(result, "", " ")
	if err != nil || len(result.Subjects) != 1 || len(result.Subjects[0].Verified) < 4 {
		t.Fatalf("%v in %s", err, stdout)
	}
	return string(out)
}

// With --verify nothing crosses that is not verified: neither an image, nor evidence.
func TestCopyVerifies(t *testing.T) {
	j := newJob(t)
	to := filepath.Join(j.dir, "to")
	flags := append([]string{"--verify", j.image, "oci:" + to}, j.trusting()...)
	j.copied(4, flags...)
	j.env["HALLMARK_ID_TOKEN"] = j.world.Token(sigstore.Claims{"email": "other@example.com"})
	j.run(0, "sign", j.image)
	j.copied(3, flags...)
	if _, err := os.Stat(to); err == nil {
		t.Fatal("something was copied that is not verified")
	}
	j.claims = sigstore.Claims{"email": "other@example.com"}
	others := j.attested(someType, `{"n":1}`)
	j.claims, j.env["HALLMARK_ID_TOKEN"] = nil, j.world.Token(nil)
	j.run(0, "release", "--format", "spdx-json", j.image)
	mine := j.attested(someType, `{"n":2}`)

	stdout, _ := j.copied(0, flags...)
	wants(t, stdout, "verdict   verified", "it is not verified", others)
	j.image = "oci:" + to + ":app"
	j.wantListed(true, mine)
	j.wantListed(false, others)
	j.verify(0, "--require", "signature", "--require", "spdx")
	_, stderr := j.copied(2, "--key", "k.pub", j.image, "oci:"+to+"2")
	wants(t, stderr, "go with --verify")
}

// An SBOM by reference crosses with the statement that refers to it, and one that nobody
// refers to does not.
func TestCopyVerifiesReferences(t *testing.T) {
	j := newJob(t)
	j.run(0, "release", "--format", "spdx-json", "--by-reference", j.image)
	stranger := testkit.NewImage() // its config stands in for an SBOM that anybody attached
	client, err := oci.NewClient(oci.Options{Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := oci.ParseReference(j.image)
	if err != nil {
		t.Fatal(err)
	}
	store, err := client.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := store.Resolve(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	attached, err := store.Attach(t.Context(), []oci.Attachment{{Subject: subject, Artifact: oci.Artifact{Type: "application/spdx+json", Layer: oci.BytesBlob("application/spdx+json", stranger.Manifest)}}})
	if err != nil {
		t.Fatal(err)
	}
	to := "oci:" + filepath.Join(j.dir, "to")
	stdout, _ := j.copied(0, append([]string{"--verify", "--require", "spdx", j.image, to}, j.trusting()...)...)
	wants(t, stdout, "left      evidence "+attached[0].Digest.String(), "it is not verified")
	j.image = to + ":app"
	j.verify(0, "--require", "signature", "--require", "spdx")
	j.wantListed(false, attached[0].Digest.String())
	j.copied(0, "--type", "signature", "--type", "spdx", j.image, to+"2")
	j.image = to + "2:app"
	j.verify(0, "--require", "signature", "--require", "spdx")
}

// An index that nobody signed itself, with more in it than the platforms that were verified,
// does not cross; as of another time, the evidence of that time does.
func TestCopyVerifiesIndexes(t *testing.T) {
	j := newJob(t)
	layout := filepath.Join(j.dir, "buildkit")
	testkit.WriteLayout(t, layout, "app", testkit.NewIndex(testkit.Buildkit()))
	j.image = "oci:" + layout + ":app"
	to := "oci:" + filepath.Join(j.dir, "to")
	flags := append([]string{"--verify", "--require", "spdx", j.image, to}, j.trusting()...)
	j.run(0, "release", "--format", "spdx-json", j.image)
	stdout, _ := j.copied(3, flags...)
	wants(t, stdout, "the index itself is not vouched for")
	j.copied(0, append([]string{"--platform", "linux/arm64"}, flags...)...)
	j.copied(0, append([]string{"--require", "signature"}, flags...)...)
	stdout, _ = j.copied(0, append([]string{"--verify", "--at", j.world.Now().Format(time.RFC3339), j.image, to + "2"}, j.trusting()...)...)
	wants(t, stdout, "5 of evidence")
}

// Two images for one tag in one run: one of them would be lost.
func TestCopyListTags(t *testing.T) {
	j := newJob(t)
	other := filepath.Join(j.dir, "other")
	testkit.WriteLayout(t, other, "app", testkit.NewIndex(testkit.File("n", "other")))
	to := "oci:" + filepath.Join(j.dir, "to")
	list := j.write("list.txt", []byte(j.image+" "+to+"\noci:"+other+":app "+to+"\n"))
	stdout, _ := j.copied(2, "--list", list)
	wants(t, stdout, "tag app is asked for by two images")
}

// What is copied of an image can be chosen.
func TestCopyChooses(t *testing.T) {
	j := newJob(t)
	j.run(0, "release", "--format", "spdx-json", "--format", "cyclonedx-json", j.image)
	dir := func(name string) string { return "oci:" + filepath.Join(j.dir, name) }

	stdout, _ := j.copied(0, "--signatures-only", j.image, dir("signatures"))
	wants(t, stdout, "it is of another type")
	source := j.image
	j.image = dir("signatures") + ":app"
	j.verify(0)
	j.verify(4, "--require", "spdx")

	j.copied(0, "--type", "signature", "--type", "spdx", source, dir("spdx")+":other")
	j.image = dir("spdx") + ":other"
	j.verify(0, "--require", "signature", "--require", "spdx")
	j.verify(4, "--require", "cyclonedx")

	j.copied(0, "--platform", "linux/arm64", source, dir("arm"))
	j.image = dir("arm") + ":app"
	stdout = j.verify(0, "--require", "signature", "--require", "spdx")
	if strings.Contains(stdout, "amd64") {
		t.Errorf("more than one platform: %s", stdout)
	}
	for want, args := range map[string][]string{
		"it has linux/amd64":        {"--platform", "linux/s390x", source, dir("x")},
		"exclude each other":        {"--signatures-only", "--type", "spdx", source, dir("x")},
		"another digest":            {source, dir("x") + "@sha256:" + strings.Repeat("0", 64)},
		"needs a SOURCE":            {source},
		"is missing":                {"--list", filepath.Join(j.dir, "none")},
		"only images can be copied": {"file:" + j.write("f", nil), dir("x")},
		"can be copied to":          {source, "dir:" + j.dir},
	} {
		if want == "is missing" {
			want = "no such file"
		}
		_, stderr := j.copied(2, args...)
		wants(t, stderr, want)
	}
	if found, _ := filepath.Glob(filepath.Join(j.dir, "x*")); len(found) > 0 {
		t.Errorf("bad input left %v", found)
	}
}

// A list copies many, tells of each, and ends with the gravest.
func TestCopyList(t *testing.T) {
	j := newJob(t)
	j.run(0, "sign", j.image)
	archive := "oci:" + filepath.Join(j.dir, "all.tar")
	list := j.write("list.txt", []byte("# images\n"+j.image+" "+archive+":one\n\n"+j.image+"  "+archive+":two # again\n"+j.image+" oci:"+filepath.Join(j.dir, "folder")+"\n"))
	stdout, _ := j.copied(0, "--list", list, "-o", "json")
	var result struct {
		SchemaVersion string
		Images        []struct {
			Tag      string
			ExitCode int
			Bytes    struct{ Total, Copied, Present int64 }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || len(result.Images) != 3 || result.SchemaVersion != "hallmark.copy/v1" {
		t.Fatalf("%v in %s", err, stdout)
	}
	if b := result.Images[1].Bytes; b.Copied != 0 || b.Present != b.Total || result.Images[2].Tag != "app" {
		t.Errorf("%+v", result)
	}
	for _, tag := range []string{":one", ":two"} {
		j.image = archive + tag
		j.verify(0)
	}
	bad := j.write("bad.txt", []byte(archive+":one oci:"+filepath.Join(j.dir, "x")+"\n"+archive+":none oci:"+filepath.Join(j.dir, "y")+"\n"))
	stdout, _ = j.copied(5, "--list", bad)
	wants(t, stdout, "Copied "+archive+":one", "not copied: "+bad+" line 2")
	wants(t, stdout, "none")
	hash := j.write("hash.txt", []byte(archive+":one oci:"+filepath.Join(j.dir, "a#b")+" #comment\n"))
	j.copied(0, "--list", hash)
	j.image = "oci:" + filepath.Join(j.dir, "a#b") + ":one"
	j.verify(0)
	_, stderr := j.copied(2, "--list", j.write("short.txt", []byte("one\n")))
	wants(t, stderr, "short.txt line 1: want a source and a destination")
	j.copied(2, "--list", j.write("empty.txt", []byte("# nothing\n")))
	j.copied(2, "--list", list, j.image)
}

// An error in between says what was written, and the next run completes it.
func TestCopySaysWhatIsLeft(t *testing.T) {
	j := newJob(t)
	s := testkit.Registry(t, testkit.Fail(testkit.Puts(testkit.Manifests), 500, nil, testkit.Always))
	_, stderr := j.copied(5, "--retries", "1", j.image, s.Host+"/team/app")
	wants(t, stderr, "500", "asked 2 times", "blobs and 0 manifests were written", "requests to write it is not known", "Run the command again")
	s = testkit.Registry(t, testkit.Fail(testkit.Any, 503, http.Header{"Retry-After": {"3600"}}, testkit.Always))
	_, stderr = j.copied(5, j.image, s.Host+"/team/app")
	wants(t, stderr, "503", "it wants to be asked again after 1h0m0s", "nothing was written")
}

// The tag at the destination is the one given there, else the source's.
func TestCopyTags(t *testing.T) {
	j := newJob(t)
	s := testkit.Registry(t)
	for _, test := range []struct{ from, to, want string }{
		{j.image, s.Host + "/a/b", "app"}, {j.image, s.Host + "/a/b:v2", "v2"}, {j.image, s.Host + "/a/b:latest", "latest"},
		{s.Host + "/a/b:v2", "oci:" + filepath.Join(j.dir, "x"), "v2"},
	} {
		stdout, _ := j.copied(0, test.from, test.to)
		wants(t, stdout, "tag       "+test.want+"\n")
	}
	stdout, _ := j.run(0, "tree", "-o", "json", j.image)
	var tree struct{ Root struct{ Digest string } }
	if err := json.Unmarshal([]byte(stdout), &tree); err != nil {
		t.Fatal(err)
	}
	stdout, _ = j.copied(0, s.Host+"/a/b@"+tree.Root.Digest, s.Host+"/c/d")
	if strings.Contains(stdout, "tag ") {
		t.Errorf("a copy of a digest was tagged: %s", stdout)
	}
}

func TestDoctor(t *testing.T) {
	j := newJob(t)
	delete(j.env, "HALLMARK_TRUSTED_ROOT")
	for name, test := range map[string]struct {
		code    int
		options []testkit.Option
		want    []string
	}{
		"well":   {0, nil, []string{"sign, attest, release  works\n", "prune                  works\n", "trust material     no"}},
		"GitLab": {3, []testkit.Option{testkit.WithoutReferrers(), testkit.GitLab()}, []string{"fallback tag       no", "verify, report         fails fallback tag", "--evidence-repository"}},
		"ECR":    {0, []testkit.Option{testkit.ECR()}, []string{"referrers API      no", "OCI-Subject        no", "sign, attest, release  works, but referrers API: answered 405"}},
		"GHCR":   {0, []testkit.Option{testkit.GHCR(nil)}, []string{"labels in lists    no", "tree, show             works, but labels in lists"}},
		"ring":   {3, []testkit.Option{testkit.LoopingPages()}, []string{"pagination         no", "verify, report         fails pagination"}},
		"locked": {3, []testkit.Option{testkit.BasicAuth("u", "p")}, []string{"pull               no", "Log in", "verify, report         fails pull"}},
		"kept":   {3, []testkit.Option{testkit.NoDeletes()}, []string{"delete             no", "prune                  fails delete", "Left behind"}},
		"late":   {0, []testkit.Option{testkit.ClockSkew(time.Hour)}, []string{"clock              no", "Set the clock"}},
		"pages":  {0, []testkit.Option{testkit.PaginateReferrers(1)}, []string{"pagination         yes"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := *j
			j.t = t
			s := testkit.Registry(t, test.options...)
			stdout, _ := j.run(test.code, "doctor", s.Host+"/team/app")
			wants(t, stdout, test.want...)
			stdout, _ = j.run(test.code, "doctor", "-o", "json", s.Host+"/team/app")
			wants(t, stdout, `"schemaVersion": "hallmark.doctor/v1"`, `"commands": [`)
		})
	}
	s := testkit.Registry(t)
	j.run(0, "doctor", "--read-only", s.Host+"/team/app")
	j.run(2, "doctor", s.Host+"/team/app:v1")
	j.run(2, "doctor", j.image)
	_, stderr := j.run(5, "doctor", "--retries", "0", "127.0.0.1:1/team/app")
	wants(t, stderr, "refused", "nothing was written")
}

// A layer that was damaged on its way is read again; one that stays damaged is no image.
func TestDamagedLayer(t *testing.T) {
	j := newJob(t)
	image := testkit.NewImage()
	for times, code := range map[int]int{1: 0, testkit.Always: 5} {
		s := testkit.Registry(t)
		ref := testkit.PushImage(t, s, "team/app:v1", image)
		s.Use(testkit.RewriteBody(testkit.Gets(testkit.Blobs), testkit.FlipBit, times))
		_, stderr := j.run(code, "sbom", "--no-cache", ref, "-o", "spdx-json="+filepath.Join(j.dir, "out.json"))
		wants(t, stderr, "reading it again")
	}
}
