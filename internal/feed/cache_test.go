package feed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// cached is one member of a feed whose later epochs may come from its cache.
func cached(t *testing.T, change func(*Config)) (*testMember, string) {
	t.Helper()
	cfg := trainConfig()
	cfg.CacheBytes = 1 << 20
	if change != nil {
		change(&cfg)
	}
	m := newTestMember(t, 0, cfg)
	return m, filepath.Join(filepath.Dir(m.feeders), "feed-train.cache")
}

// firstEpoch returns the member's counts of the first epoch.
func firstEpoch(m *testMember) Count { return m.Counts()[0] }

func TestReplay(t *testing.T) {
	for _, shuffled := range []bool{false, true} {
		t.Run(fmt.Sprint("shuffled ", shuffled), func(t *testing.T) {
			m, path := cached(t, func(c *Config) {
				if shuffled {
					c.ShuffleRows, c.ShuffleSeed = 100, 7
				}
			})
			seen := newSeenRows()
			order := make([][]string, 4)
			c := consume(t, m, "train", seen, func(b *Chunk) {
				order[b.Epoch] = append(order[b.Epoch], fmt.Sprint(b.Partition, b.FirstRow))
			})
			feedAll(t, []*testMember{m}, 0, 3, 3, 400)
			if got := firstEpoch(m); got.Ended || !got.Cached {
				t.Errorf("before its end the first epoch is %+v", got)
			}
			endFeed(t, []*testMember{m}, "train", 0, false)
			if got := firstEpoch(m); !got.Ended || !got.Cached {
				t.Errorf("after its end the first epoch is %+v", got)
			}
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
			for range 2 { // the server repeats its message after a reconnect
				if err := m.Replay("train", 4); err != nil {
					t.Fatal(err)
				}
			}
			c.wait(t)
			seen.check(t, 4, 3, 400)
			if len(c.ends) != 4 || !c.ends[3].Last || c.ends[2].Last {
				t.Errorf("ends %v", c.ends)
			}
			if same := slices.Equal(order[0], order[1]); same == shuffled {
				t.Errorf("the order of the first epoch comes again: %t", same)
			}
			if shuffled && slices.Equal(order[1], order[2]) {
				t.Error("two epochs have the same order")
			}
			checkBalance(t, []*testMember{m}, "train", 4*1_200, 4*1_200)
			if counts := m.Counts(); !counts[3].Ended || counts[3].Cached {
				t.Errorf("the last epoch is %+v", counts[3])
			}
		})
	}
}

// TestReplayQuota: the quota is reached in the middle of a repeated epoch.
func TestReplayQuota(t *testing.T) {
	m, _ := cached(t, func(c *Config) { c.QuotaRows = map[string]int64{"worker:0": 250} })
	c := consume(t, m, "train", newSeenRows(), nil)
	feedAll(t, []*testMember{m}, 0, 1, 1, 100)
	endFeed(t, []*testMember{m}, "train", 0, false)
	if err := m.Replay("train", 9); err != nil {
		t.Fatal(err)
	}
	c.wait(t)
	if c.total != 250 || !m.totals("train").Stopped || m.totals("train").Left {
		t.Errorf("%d rows, %+v", c.total, m.totals("train"))
	}
}

// TestReplayOfNothing: a member that got no row ends its feed.
func TestReplayOfNothing(t *testing.T) {
	m, _ := cached(t, nil)
	c := consume(t, m, "train", newSeenRows(), nil)
	endFeed(t, []*testMember{m}, "train", 0, false)
	if err := m.Replay("train", 3); err != nil {
		t.Fatal(err)
	}
	c.wait(t)
	if c.total != 0 || len(c.ends) != 3 || !c.ends[2].Last {
		t.Errorf("%d rows, ends %v", c.total, c.ends)
	}
}

// TestCacheWithoutRoom: a cache that is too small is reported, its disk is
// freed at once, and the epochs are sent again.
func TestCacheWithoutRoom(t *testing.T) {
	m, path := cached(t, func(c *Config) { c.CacheBytes = 3_000 })
	seen := newSeenRows()
	c := consume(t, m, "train", seen, nil)
	feedAll(t, []*testMember{m}, 0, 1, 1, 400)
	endFeed(t, []*testMember{m}, "train", 0, false)
	if got := firstEpoch(m); !got.Ended || got.Cached {
		t.Errorf("the first epoch is %+v", got)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a cache that is of no use still has its disk: %v", err)
	}
	feedAll(t, []*testMember{m}, 1, 1, 1, 400)
	endFeed(t, []*testMember{m}, "train", 1, true)
	c.wait(t)
	seen.check(t, 2, 1, 400)
}

// TestCacheOfAFeedThatIsSentAnew: another member's cache had no room.
func TestCacheOfAFeedThatIsSentAnew(t *testing.T) {
	m, path := cached(t, nil)
	seen := newSeenRows()
	c := consume(t, m, "train", seen, nil)
	for epoch := range 2 {
		feedAll(t, []*testMember{m}, epoch, 1, 1, 400)
		endFeed(t, []*testMember{m}, "train", epoch, epoch == 1)
	}
	c.wait(t)
	seen.check(t, 2, 1, 400)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the cache was not removed: %v", err)
	}
}

// TestCacheThatCannotBeWritten: as without room, the feed goes on.
func TestCacheThatCannotBeWritten(t *testing.T) {
	m, path := cached(t, nil)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	seen := newSeenRows()
	c := consume(t, m, "train", seen, nil)
	feedAll(t, []*testMember{m}, 0, 1, 1, 400)
	endFeed(t, []*testMember{m}, "train", 0, true)
	c.wait(t)
	seen.check(t, 1, 1, 400)
	if firstEpoch(m).Cached {
		t.Error("it says that it is whole")
	}
}

// TestManyEpochs: the number of counts stays bounded, and they cover all
// epochs.
func TestManyEpochs(t *testing.T) {
	m, _ := cached(t, nil)
	c := consume(t, m, "train", newSeenRows(), nil)
	feedAll(t, []*testMember{m}, 0, 1, 1, 30)
	endFeed(t, []*testMember{m}, "train", 0, false)
	const epochs = 3 * countedEpochs
	if err := m.Replay("train", epochs); err != nil {
		t.Fatal(err)
	}
	c.wait(t)
	checkBalance(t, []*testMember{m}, "train", 30*epochs, 30*epochs)
	counts := m.Counts()
	last := counts[len(counts)-1]
	if len(counts) != countedEpochs || last.Epoch+last.Epochs != epochs || !last.Ended || last.Trained != 30*int64(last.Epochs) {
		t.Errorf("%d counts, the last %+v", len(counts), last)
	}
}
