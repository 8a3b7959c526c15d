package gpu

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeSMI puts an nvidia-smi on PATH that lists devices of its own: their UUIDs begin with
// GPU-<a name of this test>. free is their free memory in MiB, of 10000.
func fakeSMI(t *testing.T, free ...int) []string {
	t.Helper()
	bin := t.TempDir()
	var list, facts strings.Builder
	var ids []string
	for i, n := range free {
		id := fmt.Sprintf("GPU-%s-%d-%d", strings.ReplaceAll(t.Name(), "/", "-"), os.Getpid(), i)
		ids = append(ids, id)
		fmt.Fprintf(&list, "GPU %d: Fake Device (%d GB) (UUID: %s)\n", i, i, id)
		fmt.Fprintf(&facts, "%s, 00000000:0%d:00.0, 555.42, 10000, %d, 5, [N/A], %d\n", id, i, n, 10000-n)
	}
	for name, text := range map[string]string{"list": list.String(), "facts": facts.String()} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	apps := ""
	if len(ids) > 0 {
		apps = ids[0] + ", 4711, 9900"
	}
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in\n-L) cat '%[1]s/list';;\n--query-gpu=*) cat '%[1]s/facts';;\n*) echo '%[2]s';;\nesac\n", bin, apps)
	if err := os.WriteFile(filepath.Join(bin, "nvidia-smi"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return ids
}

func host() Place { return Place{Source: Host, Host: "h"} }

func acquire(t *testing.T, p Place, count int) *Claim {
	t.Helper()
	claim, err := Acquire(t.Context(), p, count, "run r, worker:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(claim.Release)
	return claim
}

// refusal is why a place has not so many free devices at this moment; "": it has.
func refusal(t *testing.T, p Place, count int) string {
	t.Helper()
	all, err := List(t.Context())
	if err == nil {
		all, err = p.candidates(all)
	}
	if err != nil {
		return err.Error()
	}
	claim, refused := tryAll(t.Context(), all, count, "another")
	if claim != nil {
		claim.Release()
		return ""
	}
	return fmt.Sprint(refused)
}

// TestTwoMembersOfAHost: no device is had twice, and who has it is named.
func TestTwoMembersOfAHost(t *testing.T) {
	want := fakeSMI(t, 9000, 9000, 9000)
	one, two := acquire(t, host(), 1), acquire(t, host(), 2)
	if one.Visible() != want[0] || two.Visible() != want[1]+","+want[2] {
		t.Errorf("%s and %s", one.Visible(), two.Visible())
	}
	if got := refusal(t, host(), 1); !strings.Contains(got, "is taken by run r, worker:0") {
		t.Errorf("a third member: %s", got)
	}
	one.Release()
	// All or none: one device is free, and a member that needs two keeps none of them.
	if got := refusal(t, host(), 2); got == "" {
		t.Error("two devices were had where one was free")
	}
	if three := acquire(t, host(), 1); three.Visible() != want[0] {
		t.Errorf("given back %s, had %s", want[0], three.Visible())
	}
}

// TestAcquireWaits: a device that is given back meanwhile is taken.
func TestAcquireWaits(t *testing.T) {
	want := fakeSMI(t, 9000)
	one, released := acquire(t, host(), 1), make(chan struct{})
	time.AfterFunc(300*time.Millisecond, func() {
		one.Release()
		close(released)
	})
	if two := acquire(t, host(), 1); two.Visible() != want[0] {
		t.Errorf("had %s", two.Visible())
	}
	<-released
}

// TestAcquireEnds: with ctx, and with what is wrong.
func TestAcquireEnds(t *testing.T) {
	fakeSMI(t, 9000)
	acquire(t, host(), 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if claim, err := Acquire(ctx, host(), 1, "x"); err == nil {
		claim.Release()
		t.Error("a device was had twice")
	}
	if _, err := Acquire(t.Context(), host(), 2, "x"); err == nil || !strings.Contains(err.Error(), "1 of the 2 that the member needs") {
		t.Errorf("more than there are: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Acquire(t.Context(), host(), 1, "x"); err == nil || !strings.Contains(err.Error(), "install the NVIDIA driver") {
		t.Errorf("without nvidia-smi: %v", err)
	}
}

// TestBusyDevices: devices whose memory other programs have are passed over, and named.
func TestBusyDevices(t *testing.T) {
	want := fakeSMI(t, 100, 1000)
	if got := refusal(t, host(), 2); !strings.Contains(got, "100 of 10000 MiB free: process 4711 has 9900 MiB") {
		t.Errorf("%s", got)
	}
	if claim := acquire(t, host(), 1); claim.Visible() != want[1] {
		t.Errorf("had %s", claim.Visible())
	}
}

// TestVisibleDevicesOfTheExecutor restrict what members take.
func TestVisibleDevicesOfTheExecutor(t *testing.T) {
	all := fakeSMI(t, 9000, 9000, 9000)
	for _, c := range []struct {
		source Source
		env    []string
		want   []string
	}{
		{Host, nil, all},
		{Host, []string{"CUDA_VISIBLE_DEVICES= 2, 0"}, []string{all[2], all[0]}},
		{Host, []string{"CUDA_VISIBLE_DEVICES=0", "CUDA_VISIBLE_DEVICES=" + all[1]}, all[1:2]},
		{Host, []string{"CUDA_VISIBLE_DEVICES="}, nil},
		{Host, []string{"CUDA_VISIBLE_DEVICES=-1"}, nil},
		{Container, []string{"NVIDIA_VISIBLE_DEVICES=all"}, all},
		{Container, []string{"NVIDIA_VISIBLE_DEVICES=1"}, all}, // the host's index, not ours
		{Container, []string{"NVIDIA_VISIBLE_DEVICES=" + all[2] + "," + all[1]}, []string{all[2], all[1]}},
		{Container, []string{"NVIDIA_VISIBLE_DEVICES=" + all[2], "CUDA_VISIBLE_DEVICES=0"}, nil},
	} {
		devices, err := List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := Place{Source: c.source, Host: "h", Environment: c.env}
		got, err := p.candidates(devices)
		if !slices.Equal(ids(got), c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%s, %q: %q, %v", c.source, c.env, ids(got), err)
		}
	}
}

// executor starts a process whose command line is that of an executor with args.
func executor(t *testing.T, args ...string) int {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", "sleep 60; :", "executor"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	// Start returns as soon as execve closes its pipe, before the kernel knows the arguments.
	late := time.Now().Add(10 * time.Second)
	for line := []byte(nil); !bytes.Contains(line, []byte("executor")); time.Sleep(time.Millisecond) {
		var err error
		if line, err = os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid)); err != nil || time.Now().After(late) {
			t.Fatalf("the executor's command line is %q, %v", line, err)
		}
	}
	return cmd.Process.Pid
}

// TestDevicesOfSpark: the executor's resources file decides, by index or UUID.
func TestDevicesOfSpark(t *testing.T) {
	all := fakeSMI(t, 9000, 9000)
	file := filepath.Join(t.TempDir(), "resource-executor-1.json")
	for content, want := range map[string]string{
		`[{"id":{"componentName":"spark.executor","resourceName":"gpu"},"addresses":["1"]}]`:                  all[1],
		`[{"id":{"componentName":"spark.executor","resourceName":"gpu"},"addresses":["` + all[1] + `","0"]}]`: all[1] + "," + all[0],
		`[{"id":{"componentName":"spark.executor","resourceName":"gpu"},"addresses":[" 1, 0 "]}]`:             all[1] + "," + all[0],
		`[{"id":{"componentName":"spark.executor","resourceName":"fpga"},"addresses":["1"]}]`:                 "",
		`[]`: "",
		`[{"id":{"componentName":"spark.executor","resourceName":"gpu"},"addresses":["7"]}]`: "",
		`no JSON`: "",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		devices, err := List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := Place{Source: Spark, Executor: executor(t, "--driver-url", "x", "--resourcesFile", file)}.candidates(devices)
		if claim := (&Claim{Devices: got}); claim.Visible() != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", content, claim.Visible(), err)
		}
	}
	if _, err := (Place{Source: Spark, Host: "h", Executor: executor(t)}).candidates(nil); err == nil || !strings.Contains(err.Error(), "spark.worker.resource.gpu.amount") {
		t.Errorf("an executor without resources: %v", err)
	}
}

// TestMain lets the test binary hold a device, as another process of another user does.
func TestMain(m *testing.M) {
	if id := os.Getenv("TFOS_TEST_HOLD"); id != "" {
		_, err := lockDevice(context.Background(), id, "run other, worker:3")
		fmt.Println(err)
		time.Sleep(time.Minute)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestAnotherUsersLock: a device that another user holds is taken; SIGKILL of the holder
// frees it.
func TestAnotherUsersLock(t *testing.T) {
	ids := fakeSMI(t, 9000)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "TFOS_TEST_HOLD="+ids[0])
	if os.Getuid() == 0 {
		binary := filepath.Join(openTemp(t), "holder")
		text, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(binary, text, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd.Path = binary
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Dir = "/"
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "<nil>\n" {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	if got := refusal(t, host(), 1); !strings.Contains(got, "is taken by run other, worker:3") {
		t.Errorf("held by another: %q", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := refusal(t, host(), 1); got != "" {
		t.Errorf("after SIGKILL of the holder: %s", got)
	}
}

// openTemp returns a folder that every user can enter.
func openTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "tfos-gpu-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
