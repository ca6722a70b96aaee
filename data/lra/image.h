#pragma once
/// \file
/// CIFAR-10 as a sequence of grey values, the Image task of Long-Range Arena (Krizhevsky 2009; Tay et al. 2021).

#include <filesystem>
#include <memory>

#include "data/labelled_sequences.h"

namespace cosformer {

/// Reads the binary version: the folder `cifar-10-batches-bin`, or one .bin file. Of a folder the training pictures are
/// those of `data_batch_1.bin` to `data_batch_5.bin`, as many of these as there are; the first 90 % are the training part,
/// the rest the validation part, `test_batch.bin` the test part. Of a file the training and validation part are cut in the
/// same way, and the test part is the whole file. A token is a pixel's grey value (`grey_of`), row by row, 1,024 a picture;
/// black is padding. Throws InputError with file and record.
std::unique_ptr<LabelledSequences> load_image(const std::filesystem::path& path, Split part);

/// True for a folder with a file of one of the names, and for a .bin file of whole records.
bool is_image(const std::filesystem::path& path);

}  // namespace cosformer
