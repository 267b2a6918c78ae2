package provenance

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// workTree makes a repository with a commit, and gives its folder.
func workTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, "init", "-q", "-b", "main")
	write(t, filepath.Join(dir, "main.go"), "package main")
	write(t, filepath.Join(dir, ".gitignore"), "out/\n")
	run(t, dir, "add", ".")
	run(t, dir, "commit", "-q", "-m", "first")
	run(t, dir, "remote", "add", "origin", "https://user:s3cr3t@github.com/octo/app.git")
	return dir
}

func run(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func checkout(t *testing.T, dir string) Checkout {
	t.Helper()
	c, err := ReadCheckout(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheckout(t *testing.T) {
	dir := workTree(t)
	c := checkout(t, dir)
	if !formCommit.MatchString(c.Commit) || c.Ref != "refs/heads/main" || c.Repository != "https://github.com/octo/app" || len(c.Dirty) > 0 || c.Shallow {
		t.Errorf("got %+v", c)
	}
	write(t, filepath.Join(dir, "out/app"), "ignored")
	write(t, filepath.Join(dir, "notes.txt"), "in no commit")
	if c := checkout(t, dir); len(c.Dirty) > 0 || c.Others != 1 {
		t.Errorf("with a file in no commit: %+v", c)
	}
	b := &Build{Kind: Generic}
	if err := c.Into(b); err != nil || b.Source.Commit != c.Commit {
		t.Errorf("into a build: %v %+v", err, b.Source)
	}
}

// TestDirtyCheckout: a commit that was not what was built is not told.
func TestDirtyCheckout(t *testing.T) {
	dir := workTree(t)
	write(t, filepath.Join(dir, "main.go"), "package evil")
	c := checkout(t, dir)
	if err := c.Into(&Build{Kind: Generic}); !errors.Is(err, ErrBuild) || !strings.Contains(err.Error(), "main.go") {
		t.Errorf("got %v", err)
	}
	run(t, dir, "add", ".")
	if err := checkout(t, dir).Into(&Build{Kind: Generic}); !errors.Is(err, ErrBuild) {
		t.Errorf("added and not committed: %v", err)
	}
}

func TestShallowCheckout(t *testing.T) {
	origin := workTree(t)
	write(t, filepath.Join(origin, "main.go"), "package main // 2")
	run(t, origin, "commit", "-q", "-a", "-m", "second")
	dir := filepath.Join(t.TempDir(), "clone")
	run(t, origin, "clone", "-q", "--depth", "1", "file://"+origin, dir)
	run(t, dir, "checkout", "-q", "--detach")
	c := checkout(t, dir)
	if !c.Shallow || c.Ref != "" || c.Repository != "" || c.Commit != checkout(t, origin).Commit {
		t.Errorf("got %+v", c)
	}
	if err := c.Into(&Build{Kind: Generic}); !errors.Is(err, ErrBuild) || !strings.Contains(err.Error(), "name the source repository") {
		t.Errorf("a checkout from a folder: %v", err)
	}
	run(t, dir, "tag", "v1.0")
	if c := checkout(t, dir); c.Ref != "refs/tags/v1.0" {
		t.Errorf("at a tag: %+v", c)
	}
}

// TestCheckoutOfJob: a checkout of another commit than the job's goes in as a material; of
// another repository than stated it is refused.
func TestCheckoutOfJob(t *testing.T) {
	c := checkout(t, workTree(t))
	b := build(t, GitHub, envOf(jobs[GitHub]))
	if err := c.Into(b); err != nil || len(b.Materials) != 1 || b.Source.Commit != commit {
		t.Errorf("%v %+v", err, b)
	}
	b = &Build{Kind: Generic, Source: Source{Repository: "https://github.com/fork/app"}}
	if err := c.Into(b); !errors.Is(err, ErrBuild) {
		t.Errorf("of another repository: %v", err)
	}
}

// TestNoCheckout: what is no work tree, and a configuration that wants to run something.
func TestNoCheckout(t *testing.T) {
	if _, err := ReadCheckout(context.Background(), t.TempDir()); !errors.Is(err, ErrBuild) {
		t.Errorf("no work tree: %v", err)
	}
	dir := workTree(t)
	mark := filepath.Join(t.TempDir(), "ran")
	write(t, filepath.Join(dir, "hook.sh"), "#!/bin/sh\ntouch "+mark+"\n")
	if err := os.Chmod(filepath.Join(dir, "hook.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "config", "core.fsmonitor", filepath.Join(dir, "hook.sh"))
	checkout(t, dir)
	if _, err := os.Stat(mark); err == nil {
		t.Error("reading a checkout ran a program that the repository names")
	}
	t.Setenv("GIT_DIR", filepath.Join(workTree(t), ".git"))
	run(t, dir, "-c", "core.fsmonitor=false", "--git-dir", filepath.Join(dir, ".git"), "--work-tree", dir, "commit", "-q", "--allow-empty", "-m", "another")
	want, err := os.ReadFile(filepath.Join(dir, ".git/refs/heads/main"))
	if err != nil {
		t.Fatal(err)
	}
	if c := checkout(t, dir); c.Commit != strings.TrimSpace(string(want)) {
		t.Errorf("GIT_DIR points it elsewhere: %s", c.Commit)
	}
}

// TestHostileCheckouts: what somebody may have put into a repository to run a program, or to
// pass for another source.
func TestHostileCheckouts(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "ran")
	for name, prepare := range map[string]func(t *testing.T, dir string) (look string){
		"a filter of the repository": func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, ".gitattributes"), "* filter=evil\n")
			run(t, dir, "add", ".gitattributes")
			run(t, dir, "commit", "-q", "-m", "attributes")
			run(t, dir, "config", "filter.evil.clean", "sh -c 'touch "+mark+"; cat'")
			write(t, filepath.Join(dir, "main.go"), "package  main")
			return dir
		},
		"a bare repository in a folder": func(t *testing.T, dir string) string {
			bare := filepath.Join(dir, "app")
			run(t, dir, "clone", "-q", "--bare", dir, bare)
			run(t, bare, "--git-dir=.", "config", "core.bare", "false")
			run(t, bare, "--git-dir=.", "config", "core.worktree", ".")
			run(t, bare, "--git-dir=.", "config", "remote.origin.url", "https://github.com/trusted/other")
			return bare
		},
		"a repository elsewhere": func(t *testing.T, dir string) string {
			run(t, dir, "clone", "-q", "--bare", dir, filepath.Join(dir, "stuff"))
			run(t, filepath.Join(dir, "stuff"), "--git-dir=.", "config", "core.bare", "false")
			write(t, filepath.Join(dir, "app", ".git"), "gitdir: ../stuff\n")
			return filepath.Join(dir, "app")
		},
		"objects that have to be fetched": func(t *testing.T, dir string) string {
			run(t, dir, "config", "core.repositoryformatversion", "1")
			run(t, dir, "config", "extensions.partialClone", "origin")
			run(t, dir, "config", "remote.origin.promisor", "true")
			run(t, dir, "config", "remote.origin.url", dir)
			run(t, dir, "config", "remote.origin.uploadpack", "sh -c 'touch "+mark+"' #")
			tree, err := exec.Command("git", "-C", dir, "rev-parse", "HEAD^{tree}").Output()
			if err != nil {
				t.Fatal(err)
			}
			object := strings.TrimSpace(string(tree))
			if err := os.Remove(filepath.Join(dir, ".git/objects", object[:2], object[2:])); err != nil {
				t.Fatal(err)
			}
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			look := prepare(t, workTree(t))
			if c, err := ReadCheckout(context.Background(), look); !errors.Is(err, ErrBuild) {
				t.Errorf("read as %+v, %v", c, err)
			}
			if _, err := os.Stat(mark); err == nil {
				t.Error("a program was run")
			}
		})
	}
}

// TestHiddenChanges: what git was told not to show is a change all the same.
func TestHiddenChanges(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string){
		"assumed to be unchanged": func(t *testing.T, dir string) {
			run(t, dir, "update-index", "--assume-unchanged", "main.go")
			write(t, filepath.Join(dir, "main.go"), "package evil")
		},
		"left out and there": func(t *testing.T, dir string) {
			run(t, dir, "update-index", "--skip-worktree", "main.go")
			write(t, filepath.Join(dir, "main.go"), "package evil")
		},
		"another commit's tree": func(t *testing.T, dir string) {
			good := checkout(t, dir).Commit
			write(t, filepath.Join(dir, "main.go"), "package evil")
			run(t, dir, "commit", "-q", "-a", "-m", "evil")
			evil := checkout(t, dir).Commit
			run(t, dir, "reset", "-q", "--hard", good)
			run(t, dir, "replace", good, evil)
			run(t, dir, "reset", "-q", "--hard")
		},
		"in a submodule that is to be ignored": func(t *testing.T, dir string) {
			other := workTree(t)
			run(t, dir, "-c", "protocol.file.allow=always", "submodule", "add", "-q", other, "sub")
			run(t, dir, "config", "-f", ".gitmodules", "submodule.sub.ignore", "all")
			run(t, dir, "add", ".")
			run(t, dir, "commit", "-q", "-m", "sub")
			if c := checkout(t, dir); len(c.Dirty) > 0 {
				t.Fatalf("dirty from the start: %q", c.Dirty)
			}
			write(t, filepath.Join(dir, "sub/main.go"), "package evil")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := workTree(t)
			change(t, dir)
			if c := checkout(t, dir); len(c.Dirty) == 0 {
				t.Errorf("taken for unchanged: %+v", c)
			}
		})
	}
}
