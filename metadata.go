package zaq

import (
	"strconv"

	"zaq/internal/onnx"
	"zaq/internal/preprocess"
)

// Keys of the metadata that zaq writes into its files.
const (
	keyMethod     = "dev.zaq.method"
	keyPrecision  = "dev.zaq.precision"
	keyScheme     = "dev.zaq.scheme"
	keySeed       = "dev.zaq.seed"
	keyKernels    = "dev.zaq.kernels"
	keyVersion    = "dev.zaq.version"
	keySource     = "dev.zaq.source_sha256"
	keyPreprocess = preprocess.MetadataKey
	keyMicroBatch = "dev.zaq.micro_batch"
)

// metadata is what a quantized file says of itself.
func (q *Quantized) metadata(p Preprocessing) ([]onnx.Property, error) {
	spec := preprocess.Spec(p)
	encoded, err := spec.Encode()
	if err != nil {
		return nil, err
	}
	properties := []onnx.Property{
		{Key: keyMethod, Value: q.Method},
		{Key: keyPrecision, Value: q.Precision},
		{Key: keyScheme, Value: q.Scheme},
		{Key: keySeed, Value: strconv.FormatUint(q.Seed, 10)},
		{Key: keyKernels, Value: q.Kernels},
		{Key: keyVersion, Value: q.Version},
		{Key: keySource, Value: q.Source},
		{Key: keyPreprocess, Value: string(encoded)},
	}
	if q.MicroBatch > 0 {
		properties = append(properties, onnx.Property{Key: keyMicroBatch, Value: strconv.Itoa(q.MicroBatch)})
	}
	return properties, nil
}

// quantized reads what metadata wrote. It is nil where the file does not say how it was quantized.
func quantized(metadata map[string]string) *Quantized {
	if metadata[keyMethod] == "" {
		return nil
	}
	seed, _ := strconv.ParseUint(metadata[keySeed], 10, 64) // a foreign value is shown as 0
	micro, _ := strconv.Atoi(metadata[keyMicroBatch])
	return &Quantized{
		MicroBatch: micro,
		Method:     metadata[keyMethod], Precision: metadata[keyPrecision], Scheme: metadata[keyScheme], Seed: seed,
		Kernels: metadata[keyKernels], Version: metadata[keyVersion], Source: metadata[keySource],
	}
}
