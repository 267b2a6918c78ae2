package trust_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/trust"
)

// TestFolderIsShared: many processes may use one folder at once. Each has its own locks
// here, as processes have.
func TestFolderIsShared(t *testing.T) {
	world := sigstore.New(t)
	repository := testkit.NewTUF(t)
	repository.Publish(time.Now().Add(time.Hour), map[string][]byte{"trusted_root.json": world.TrustedRoot()})
	dir := t.TempDir()
	folder := func(ahead time.Duration) trust.Folder {
		return trust.Folder{Dir: dir, Now: func() time.Time { return time.Now().Add(ahead) }}
	}
	ctx := context.Background()
	if _, err := folder(-48*time.Hour).Init(ctx, repository.URL, repository.Root); err != nil {
		t.Fatal(err)
	}
	before := repository.Count()
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			m, err := folder(0).Fresh(ctx, time.Hour)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := m.Instances(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := repository.Count() - before; n > 5 {
		t.Errorf("%d requests for one update: the others were to wait for it", n)
	}
}

// TestEnsure: what somebody has set up in the meantime is left as it is.
func TestEnsure(t *testing.T) {
	world := sigstore.New(t)
	private, public := testkit.NewTUF(t), testkit.NewTUF(t)
	for _, r := range []*testkit.TUF{private, public} {
		r.Publish(time.Now().Add(time.Hour), map[string][]byte{"trusted_root.json": world.TrustedRoot()})
	}
	folder := trust.Folder{Dir: t.TempDir(), Now: time.Now}
	ctx := context.Background()
	if _, err := folder.Init(ctx, private.URL, private.Root); err != nil {
		t.Fatal(err)
	}
	m, err := folder.Ensure(ctx, public.URL, public.Root)
	if err != nil || m.Mirror != private.URL || public.Count() > 0 {
		t.Errorf("%s and %v after %d requests, want %s", m.Mirror, err, public.Count(), private.URL)
	}
}

// TestSnapshotIsRead: the trusted root inside the program is a sound one.
func TestSnapshotIsRead(t *testing.T) {
	m, date := trust.Snapshot()
	instances, err := m.Instances()
	if err != nil {
		t.Fatal(err)
	}
	i := instances[0]
	if len(i.CAs) == 0 || len(i.Logs) == 0 || len(i.CTLogs) == 0 || len(i.TSAs) == 0 {
		t.Errorf("%d authorities, %d logs, %d certificate logs, %d timestamp authorities: some are missing", len(i.CAs), len(i.Logs), len(i.CTLogs), len(i.TSAs))
	}
	if date.Before(time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)) || date.After(time.Now()) {
		t.Errorf("date %s", date)
	}
}
