package cache

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sort"
	"time"
)

// The length of a file, the ledger, times unit is about what the cache holds: whoever adds something makes the ledger
// longer, and whoever finds it too long looks at the whole folder, removes what was not used for longest, and cuts the
// ledger to what is left. So a command looks at the folder once in a while only, and no two look at once.
const (
	ledger   = "ledger"
	lockFile = "lock"
	// unit is what a file is counted in; a small one takes one, which bounds their number.
	unit = 16 << 10
	// draftAge is how long a file may be in the writing. What is older was left by a process that ended.
	draftAge = time.Hour
)

func units(size int64) int64 { return size/unit + 1 }

// grew notes that something was added, and tidies up where the cache holds too much.
func (s *Store) grew(size int64) {
	f, before, err := s.openPlain(ledger, os.O_WRONLY|os.O_APPEND|os.O_CREATE)
	if err != nil {
		s.failed(err)
		return
	}
	defer f.Close()
	if _, err = f.Write(make([]byte, units(size))); err != nil {
		s.failed(err)
		return
	}
	// Without a ledger nothing is known of what is there.
	if before.Size() == 0 || (before.Size()+units(size))*unit > s.max {
		s.tidy(f)
	}
}

// tidy removes what was not used for longest until a quarter of the cache is free, unless another process is about it.
func (s *Store) tidy(ledger *os.File) {
	lock, _, err := s.openPlain(lockFile, os.O_RDWR|os.O_CREATE)
	if err != nil {
		s.failed(err)
		return
	}
	defer lock.Close()
	unlock, locked := s.lockOf(lock) // where there are no locks, two may be about it: both remove what is oldest
	if !locked {
		return
	}
	defer unlock()
	before, err := ledger.Stat()
	if err != nil {
		return
	}
	s.dropDrafts()
	files, held := s.held()
	sort.Slice(files, func(i, j int) bool { return files[i].used.Before(files[j].used) })
	for _, f := range files {
		if held*unit <= s.max/4*3 {
			break
		}
		if err := s.root.Remove(f.name); err == nil || errors.Is(err, fs.ErrNotExist) {
			held -= f.units
		}
	}
	after, err := ledger.Stat()
	if err != nil {
		return
	}
	if err := ledger.Truncate(max(1, held+after.Size()-before.Size())); err != nil { // with what was added meanwhile
		s.failed(err)
	}
}

// Size is how many files the cache holds, and how many bytes they have.
func (s *Store) Size() (files int, bytes int64) {
	list, _ := s.held()
	for _, f := range list {
		bytes += f.bytes
	}
	return len(list), bytes
}

// Clear removes what the cache holds. What other processes put there meanwhile may stay.
func (s *Store) Clear() error {
	list, _ := s.held()
	for _, f := range list {
		if err := s.root.Remove(f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	s.dropDrafts()
	return nil
}

// heldFile is a file of the cache.
type heldFile struct {
	name  string
	bytes int64
	units int64
	used  time.Time
}

// held lists what the cache holds. What it did not put there itself is left alone.
func (s *Store) held() (files []heldFile, held int64) {
	for _, folder := range []string{blobs, entries} {
		for _, shard := range s.list(folder) {
			if !shard.IsDir() || len(shard.Name()) != 2 {
				continue
			}
			for _, file := range s.list(path.Join(folder, shard.Name())) {
				info, err := file.Info()
				if err != nil || len(file.Name()) != 64 || info.IsDir() {
					continue
				}
				f := heldFile{path.Join(folder, shard.Name(), file.Name()), info.Size(), units(info.Size()), info.ModTime()}
				files, held = append(files, f), held+f.units
			}
		}
	}
	return files, held
}

// dropDrafts removes what processes left that ended while they wrote.
func (s *Store) dropDrafts() {
	for _, file := range s.list(drafts) {
		if info, err := file.Info(); err == nil && s.now().Sub(info.ModTime()) > draftAge {
			s.drop(path.Join(drafts, file.Name()))
		}
	}
}
