//go:build !mutation

package wasio_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/wasiotest"
)

// sources returns the text of the Go files and pages that were written by hand, by their paths.
func sources(t *testing.T) map[string]string {
	skipInGuest(t)
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", "generated", "node_modules", "testdata":
				return filepath.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(path); ext != ".go" && ext != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		files[filepath.ToSlash(path)] = string(text)
		return err
	}))
	return files
}

// Every rule and hard case that the tree cites is a row of docs/contract.md. Every test that a
// row names exists, a row of a hard case names one or says why there is none, and each host that
// the model imitates is a row, too.
func TestContract(t *testing.T) {
	files := sources(t)
	rows := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([CR]\d+) \|.*$`).FindAllStringSubmatch(files["docs/contract.md"], -1) {
		assert.False(t, rows[row[1]], "%s stands there twice", row[1])
		rows[row[1]] = true
		if row[1][0] == 'C' {
			assert.Regexp(t, "`(Test|Fuzz)\\w+`|\\| none: ", row[0])
		}
	}
	require.Greater(t, len(rows), 70)

	cited := regexp.MustCompile(`\b(?:Test)?([CR][1-9]\d*)(?:\b|[A-Z])`)
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	tests := map[string]bool{}
	for path, text := range files {
		for _, name := range cited.FindAllStringSubmatch(text, -1) {
			assert.True(t, rows[name[1]], "%s cites %s, which is no row of docs/contract.md", path, name[1])
		}
		for _, name := range declared.FindAllStringSubmatch(text, -1) {
			tests[name[1]] = true
		}
	}
	for _, name := range wasiotest.Hosts() {
		assert.True(t, strings.Contains(files["docs/contract.md"], "| "+name+" |"), "docs/contract.md lacks %s", name)
	}
	for _, name := range regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`").FindAllStringSubmatch(files["docs/contract.md"], -1) {
		assert.True(t, tests[name[1]], "docs/contract.md names %s, which is no test", name[1])
	}
}

// Links from page to page lead to a file, and to a heading if they name one.
func TestLinks(t *testing.T) {
	files := sources(t)
	notInAnchor := regexp.MustCompile(`[^a-z0-9 _-]`)
	links := 0
	for path, text := range files {
		if filepath.Ext(path) != ".md" {
			continue
		}
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			file, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			links++
			target := path
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(path), file))
				_, err := os.Stat(target)
				assert.NoError(t, err, "%s: %s", path, link[1])
			}
			if anchor == "" {
				continue
			}
			found := false
			for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(files[target], -1) {
				name := notInAnchor.ReplaceAllString(strings.ToLower(heading[1]), "")
				found = found || strings.ReplaceAll(name, " ", "-") == anchor
			}
			assert.True(t, found, "%s: no heading for %s", path, link[1])
		}
	}
	assert.Greater(t, links, 20)
}

func TestReadmeIsShort(t *testing.T) {
	skipInGuest(t)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	assert.LessOrEqual(t, strings.Count(string(readme), "\n"), 190)
}
