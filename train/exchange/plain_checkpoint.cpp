#include "train/exchange/plain_checkpoint.h"

#include "core/error.h"
#include "train/store/atomic_file.h"
#include "train/store/checkpoint.h"
#include "train/tasks/task_tokenizer.h"

namespace cosformer {

void write_plain_checkpoint(const Config& config, const TensorMap& parameters, const TokenizerFiles& tokenizer,
                            const std::filesystem::path& folder) {
  std::error_code ignored;
  check<InputError>(!std::filesystem::exists(std::filesystem::symlink_status(folder, ignored)), folder.string(),
                    ": exists; a checkpoint is written to a new folder");
  FileSystem files;
  StagedFolder staged(files, folder);
  write_safetensors(files, staged.path() / kModelFile, parameters, {{"format", "cosformer"}, {"config", to_json(config)}});
  FileWriter writer(files, staged.path() / "config.toml");
  writer.write(to_toml(config));
  writer.finish();
  if (!tokenizer.empty()) save_tokenizer(tokenizer, staged.path());
  staged.commit();
}

}  // namespace cosformer
