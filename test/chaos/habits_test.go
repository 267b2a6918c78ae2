package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// habit is a registry that does something in its own way, and what has to come of it.
type habit struct {
	name    string
	options []testkit.Option
	limit   *testkit.Limit
	api     bool // it has the referrers API
	release int  // exit codes
	verify  int  // after the release
	// copies are the codes that a copy within the registry may end with. One that ends
	// with 0 has to be whole in any case.
	copies []int
}

var habits = []habit{
	{name: "GHCR", options: []testkit.Option{testkit.WithoutReferrers(), testkit.GHCR(nil)}, copies: []int{0}},
	{name: "ECR", options: []testkit.Option{testkit.ECR()}, copies: []int{0}},
	// The tag that would list the evidence shows the image: there is nowhere to list it.
	{name: "GitLab", options: []testkit.Option{testkit.WithoutReferrers(), testkit.GitLab()}, release: 5, verify: 4, copies: []int{0}},
	{name: "pages of one", options: []testkit.Option{testkit.PaginateReferrers(1)}, api: true, copies: []int{0}},
	{name: "pages in a circle", options: []testkit.Option{testkit.LoopingPages()}, api: true, release: 5, verify: 5, copies: []int{5}},
	{name: "no deletes", options: []testkit.Option{testkit.NoDeletes()}, api: true, copies: []int{0}},
	{name: "four requests at once", options: []testkit.Option{testkit.Delay(stagesDelay)}, limit: &testkit.Limit{AtOnce: 4}, api: true, copies: []int{0}},
	{name: "twenty requests a second", limit: &testkit.Limit{PerSecond: 20}, api: true, copies: []int{0}},
	{name: "mounts never", options: []testkit.Option{testkit.MountsNever()}, api: true, copies: []int{0}},
	{name: "mounts always", options: []testkit.Option{testkit.MountsAlways()}, api: true, copies: []int{0}},
	{name: "mounts falsely", options: []testkit.Option{testkit.MountsFalsely()}, api: true, copies: []int{0, 5}},
	{name: "no monolithic POST", options: []testkit.Option{testkit.NoMonolithicPOST()}, api: true, copies: []int{0}},
	{name: "chunks of 1 MB only", options: []testkit.Option{testkit.ChunkedOnly(1 << 20)}, api: true, copies: []int{0}},
	{name: "clock a month ahead", options: []testkit.Option{testkit.ClockSkew(30 * 24 * time.Hour)}, api: true, copies: []int{0}},
	{name: "clock a month behind", options: []testkit.Option{testkit.ClockSkew(-30 * 24 * time.Hour)}, api: true, copies: []int{0}},
}

// TestHabits: release, verify and copy get along with what registries do in their own
// way, or say that they cannot.
func TestHabits(t *testing.T) {
	l := open(t)
	for _, h := range habits {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := testkit.Registry(t, h.options...)
			if h.limit != nil {
				s.Use(h.limit.Middleware())
				defer func() {
					t.Logf("%d of %d requests were above the limit, at most %d within it at once", h.limit.Violations(), s.Count(), h.limit.Most())
				}()
			}
			image := testkit.NewIndex()
			ref := testkit.PushImage(t, s, "team/app:v1", image)
			expect(t, l, []int{h.release}, "release", "--key", l.key("release"), ref)
			expect(t, l, []int{h.verify}, "verify", "--key", l.public("release"), "--require", allEvidence, ref)
			l.need(t, "copy")
			dir := filepath.Join(t.TempDir(), "layout")
			for target, place := range map[string]store{
				s.Host + "/team/copy:v1": behind{s, "team/copy", h.api},
				"oci:" + dir + ":v1":     layout{dir: dir},
			} {
				out := expect(t, l, h.copies, "copy", ref, target)
				if out.code != 0 || h.release != 0 {
					continue
				}
				if err := copiedWhole(behind{s, "team/app", h.api}, place, image); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			}
		})
	}
}

// expect runs hallmark and wants one of some exit codes.
func expect(t *testing.T, l *lab, codes []int, args ...string) output {
	t.Helper()
	out := l.run(args...)
	for _, code := range codes {
		if out.code == code {
			return out
		}
	}
	t.Errorf("want one of the exit codes %v\n%s", codes, out)
	return out
}

// copiedWhole wants a copy to hold all that belongs to a released image.
func copiedWhole(source, place store, image *testkit.Image) error {
	want, err := take(source, image.Digest())
	if err != nil {
		return err
	}
	if len(want.referrers) != 1+len(image.Children) {
		return fmt.Errorf("%d of the original's manifests have referrers", len(want.referrers))
	}
	got, err := take(place, image.Digest())
	if err != nil {
		return err
	}
	return want.lacks(got)
}

// behind is a repository past the habits of its registry.
type behind struct {
	s    *testkit.Server
	name string
	api  bool
}

func (b behind) get(what string) ([]byte, error) {
	resp := b.s.Direct(httptest.NewRequest(http.MethodGet, "/v2/"+b.name+"/"+what, nil))
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusNotFound {
		err = fmt.Errorf("%s %w", what, errMissing)
	}
	return raw, err
}

func (b behind) manifest(d digest.Digest) ([]byte, error) { return b.get("manifests/" + d.String()) }
func (b behind) blob(d digest.Digest) ([]byte, error)     { return b.get("blobs/" + d.String()) }

func (b behind) referrers(subject digest.Digest) ([]ocispec.Descriptor, error) {
	what := "referrers/" + subject.String()
	if !b.api {
		what = "manifests/" + strings.Replace(subject.String(), ":", "-", 1)
	}
	raw, err := b.get(what)
	if errors.Is(err, errMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list ocispec.Index
	err = json.Unmarshal(raw, &list)
	return list.Manifests, err
}
