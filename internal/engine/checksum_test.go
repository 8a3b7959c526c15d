package engine_test

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"tfos/internal/engine"
	"tfos/internal/model"
)

// TestDamagedValues: a value with one wrong bit is not loaded, wherever the bit is.
func TestDamagedValues(t *testing.T) {
	needTensorFlow(t)
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(fixtures(t), "mlp"))); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(folder, "variables", "variables.data-00000-of-00001")
	whole, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	program, err := model.Source{Model: folder}.Program("", model.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	load(t, model.Source{Model: folder}).Close()
	for _, back := range []int{1, 2, 9, 100, 5000} {
		offset := len(whole) - back
		damaged := bytes.Clone(whole)
		damaged[offset] ^= 1
		if err := os.WriteFile(data, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := engine.Load(t.Context(), program, 1)
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "Checksum does not match") {
			t.Errorf("byte %d of %d: %v", offset, len(whole), err)
		}
	}
}

// TestChecksumsByTheProcessor: TensorFlow's loader of checkpoints calls the function of
// crc32c.c, in the release of TensorFlow that tests have.
func TestChecksumsByTheProcessor(t *testing.T) {
	needTensorFlow(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED: crc32c.c is for x86-64")
	}
	const name = "_ZNK4absl12lts_2023080212crc_internal5CRC326ExtendEPjPKvm"
	library, err := filepath.Glob(filepath.Join("..", "..", ".libtensorflow", "libtensorflow_framework.so.2"))
	if err != nil || len(library) == 0 {
		t.Fatalf("no libtensorflow: %v", err)
	}
	for _, path := range []string{"/proc/self/exe", library[0]} {
		file, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		symbols, err := file.DynamicSymbols()
		if err != nil || !slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == name && s.Section != elf.SHN_UNDEF }) {
			t.Errorf("%s does not define %s: %v", path, name, err)
		}
	}
}

// TestChecksumsOfAnotherLibrary: the function of crc32c.c takes the place of a library's own
// only if both compute the same.
func TestChecksumsOfAnotherLibrary(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED: crc32c.c is for x86-64")
	}
	dir := t.TempDir()
	// Checksums of "123456789": of CRC-32C as its RFC 3720 has it, and of CRC-32.
	for polynomial, want := range map[string]string{"0x82F63B78": "e3069283 0", "0xEDB88320": "cbf43926 1"} {
		for _, args := range [][]string{
			{"-DPOLYNOMIAL=" + polynomial, "-shared", "-fPIC", "-o", dir + "/libown.so", "testdata/crc32c/library.c"},
			{"-o", dir + "/program", "testdata/crc32c/program.c", "crc32c.c", "-L" + dir, "-lown", "-Wl,-rpath," + dir},
		} {
			if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
				t.Fatalf("cc %v: %v\n%s", args, err, out)
			}
		}
		if out, err := exec.Command(dir + "/program").Output(); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("polynomial %s: %s, %v; want %s", polynomial, out, err, want)
		}
	}
}
