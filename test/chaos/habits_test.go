package chaos

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// habit is a registry that does something in its own way, and what has to come of it.
type habit struct {
	name    string
	options []testkit.Option
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
	{name: "four requests at once", options: []testkit.Option{(&testkit.Limit{AtOnce: 4}).Middleware()}, api: true, copies: []int{0}},
	{name: "twenty requests a second", options: []testkit.Option{(&testkit.Limit{PerSecond: 20}).Middleware()}, api: true, copies: []int{0}},
	{name: "mounts never", options: []testkit.Option{testkit.MountsNever()}, api: true, copies: []int{0}},
	{name: "mounts always", options: []testkit.Option{testkit.MountsAlways()}, api: true, copies: []int{0}},
	{name: "mounts falsely", options: []testkit.Option{testkit.MountsFalsely()}, api: true, copies: []int{0, 5}},
	{name: "no monolithic POST", options: []testkit.Option{testkit.NoMonolithicPOST()}, api: true, copies: []int{0}},
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
			image := testkit.NewIndex()
			ref := testkit.PushImage(t, s, "team/app:v1", image)
			expect(t, l, []int{h.release}, "release", "--key", l.key("release"), ref)
			expect(t, l, []int{h.verify}, "verify", "--key", l.public("release"), "--require", allEvidence, ref)
			l.need(t, "copy")
			dir := filepath.Join(t.TempDir(), "layout")
			for target, place := range map[string]store{
				s.Host + "/team/copy:v1": repository{&registry{h.name, s.Host, h.api}, "team/copy"},
				"oci:" + dir + ":v1":     layout{dir: dir},
			} {
				if out := expect(t, l, h.copies, "copy", ref, target); out.code == 0 {
					checkCopy(t, h, s, image, place, out)
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

// checkCopy wants a copy to hold all that the registry shows of an image.
func checkCopy(t *testing.T, h habit, s *testkit.Server, image *testkit.Image, place store, out output) {
	t.Helper()
	source := repository{&registry{h.name, s.Host, h.api}, "team/app"}
	want, err := take(source, image.Digest())
	if err == nil {
		var got holdings
		if got, err = take(place, image.Digest()); err == nil {
			err = want.lacks(got)
		}
	}
	if h.release == 0 && len(want.referrers) != 1+len(image.Children) {
		err = errors.Join(err, fmt.Errorf("%d of the original's manifests have referrers", len(want.referrers)))
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
