package sbom

import (
	"context"
	"crypto"
	"runtime"
	"sync"

	"github.com/anchore/syft/syft"
	"github.com/anchore/syft/syft/cataloging"
	"github.com/anchore/syft/syft/cataloging/filecataloging"
	"github.com/anchore/syft/syft/cataloging/pkgcataloging"
	"github.com/anchore/syft/syft/pkg/cataloger/binary"
	"github.com/anchore/syft/syft/pkg/cataloger/cpp"
	"github.com/anchore/syft/syft/pkg/cataloger/dotnet"
	"github.com/anchore/syft/syft/pkg/cataloger/golang"
	"github.com/anchore/syft/syft/pkg/cataloger/java"
	"github.com/anchore/syft/syft/pkg/cataloger/javascript"
	"github.com/anchore/syft/syft/pkg/cataloger/kernel"
	"github.com/anchore/syft/syft/pkg/cataloger/nix"
	"github.com/anchore/syft/syft/pkg/cataloger/python"

	_ "modernc.org/sqlite" // RPM databases are SQLite files; syft leaves the choice of a driver to its caller
)

// toolName is the creator that documents name.
const toolName = "hallmark"

// licences is syft's licence scanner. Building one takes a second, so that all calls in a process share it, and leaves much more
// garbage than it keeps: it is collected before cataloguers take memory of their own.
var licences = sync.OnceValues(func() (context.Context, error) {
	defer runtime.GC()
	return syft.SetContextLicenseScanner(context.Background(), cataloging.DefaultLicenseConfig())
})

// Warm begins to build what the first SBOM of a process needs, beside the caller, for a second of one processor's time. Who
// knows that one will be made calls it before waiting for something else. Errors come up again in Generate.
func Warm() { go func() { _, _ = licences() }() }

// withLicences is a context that has the shared licence scanner besides what its own parents carry.
type withLicences struct {
	context.Context
	scanner context.Context
}

func (c withLicences) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.scanner.Value(key)
}

// syftConfig says how to catalogue. It takes nothing from the environment, which would make documents differ between
// machines, uses no network, runs no program, and reads nothing outside of the source.
func syftConfig(toolVersion string) *syft.CreateSBOMConfig {
	return syft.DefaultCreateSBOMConfig().
		WithTool(toolName, toolVersion, map[string]string{"syft": syftVersion}).
		WithPackagesConfig(packagesConfig()).
		// SPDX 2.3 requires the SHA-1 of every file that it lists (section 8.4)
		WithFilesConfig(filecataloging.DefaultConfig().WithHashers(crypto.SHA1, crypto.SHA256)).
		// follows registry paths that a vcpkg.json names to wherever they lead on this machine
		WithCatalogerSelection(cataloging.NewSelectionRequest().WithRemovals("vcpkg-manifest-cataloger"))
}

// packagesConfig has every cataloguer's defaults but for the three whose defaults depend on the machine: the folders of
// Go and Maven, Go's proxies, and whether the go command is run to list packages.
func packagesConfig() pkgcataloging.Config {
	return pkgcataloging.Config{
		Binary:      binary.DefaultClassifierCatalogerConfig(),
		Cpp:         cpp.CatalogerConfig{VcpkgAllowGitClone: false},
		Dotnet:      dotnet.DefaultCatalogerConfig(),
		Golang:      golang.CatalogerConfig{MainModuleVersion: golang.DefaultMainModuleVersionConfig(), CaptureSymbols: cataloging.SymbolScopeNone},
		JavaArchive: java.ArchiveCatalogerConfig{ArchiveSearchConfig: cataloging.DefaultArchiveSearchConfig()},
		JavaScript:  javascript.CatalogerConfig{SearchRemoteLicenses: false},
		LinuxKernel: kernel.DefaultLinuxKernelCatalogerConfig(),
		Nix:         nix.DefaultConfig(),
		Python:      python.CatalogerConfig{GuessUnpinnedRequirements: false, SearchRemoteLicenses: false},
	}
}

// syftVersion is the version of syft in go.mod, which decides what is found as much as our own does. It is a constant
// because not every binary carries its build information, and documents must not depend on how it was linked.
const syftVersion = "v1.52.0"
