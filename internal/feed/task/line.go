package task

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"tfos/internal/files"
)

// readLine reads what Spark pipes into the task of a partition of files: one line
// of the order, the partition's number and its splits, the first and the last as
// JSON in base64.
func readLine(in io.Reader) (order Order, partition int, splits []files.Split, err error) {
	line, err := io.ReadAll(in)
	if err != nil {
		return order, 0, nil, fmt.Errorf("feed: read order: %w", err)
	}
	words := strings.Fields(string(line))
	if len(words) != 3 {
		return order, 0, nil, fmt.Errorf("feed: read order: %d words, not 3", len(words))
	}
	if partition, err = strconv.Atoi(words[1]); err != nil {
		return order, 0, nil, fmt.Errorf("feed: read partition: %w", err)
	}
	if err := decode(words[0], &order); err != nil {
		return order, 0, nil, fmt.Errorf("feed: read order: %w", err)
	}
	if order.Files == nil {
		return order, 0, nil, fmt.Errorf("feed: read order: it says nothing of files")
	}
	if err := decode(words[2], &splits); err != nil {
		return order, 0, nil, fmt.Errorf("feed: read splits: %w", err)
	}
	return order, partition, splits, nil
}

func decode(word string, into any) error {
	text, err := base64.StdEncoding.DecodeString(word)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
