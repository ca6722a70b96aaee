#pragma once
/// \file
/// GLUE's own files (Wang et al., ICLR 2019): SST-2, QQP and MNLI.
///
/// Tab-separated rows below a header; columns are found by name and quotes are ordinary characters. Rows of another width
/// than the header, of which QQP has some, and rows with "-" for a label are left out and counted. A folder holds train.tsv
/// and dev.tsv; of MNLI dev_matched.tsv is the validation part and dev_mismatched.tsv the test part. GLUE publishes no
/// labels of its test files, so that dev.tsv is the test part of the others. Labels: SST-2 0 negative, 1 positive; QQP 1
/// duplicate; MNLI 0 entailment, 1 neutral, 2 contradiction.

#include "data/texts/labelled_texts.h"

namespace cosformer {

LabelledTexts load_sst2(const std::filesystem::path& path, Split part, const LabelledTextOptions& options);
LabelledTexts load_qqp(const std::filesystem::path& path, Split part, const LabelledTextOptions& options);
LabelledTexts load_mnli(const std::filesystem::path& path, Split part, const LabelledTextOptions& options);

/// Whether the header of the file, or of the folder's train.tsv, has the columns of a task.
bool is_sst2(const std::filesystem::path& path);
bool is_qqp(const std::filesystem::path& path);
bool is_mnli(const std::filesystem::path& path);

}  // namespace cosformer
