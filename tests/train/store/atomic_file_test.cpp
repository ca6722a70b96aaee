#include "train/store/atomic_file.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/checksum.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "train/store/append_file.h"

namespace cosformer::test {

namespace fs = std::filesystem;
using Fault = FaultyFileSystem::Fault;

namespace {

constexpr int kMoreCallsThanAny = 1000;

void write_new_file(FileSystem& files, const fs::path& path, const std::string& contents) {
  FileWriter writer(files, path);
  writer.write(contents);
  writer.finish();
}

}  // namespace

TEST_CASE("The checksum is XXH3-128 in xxhsum's notation") {
  CHECK(checksum_hex("") == "99aa06d3014798d86001c324468d497f");
  Checksum pieces;
  for (const char c : std::string("cosformer")) pieces.update(std::as_bytes(std::span(&c, 1)));
  // `printf cosformer | xxh128sum`
  CHECK(pieces.hex() == "ff0371742a767ec04be8a1b8973b0e12");
  CHECK(checksum_hex("cosformer") != checksum_hex("cosforme"));
}

TEST_CASE("A replaced file holds the old or the new contents, whichever call fails") {
  for (const Fault fault : {Fault::error_once, Fault::error_from_then_on}) {
    TemporaryFolder folder;
    FileSystem sound;
    int failures = 0;
    for (int n = 1; n < kMoreCallsThanAny; ++n) {
      replace_file(sound, folder / "file", "old contents");
      FaultyFileSystem files(n, fault);
      const std::string message = message_of<Error>([&] { replace_file(files, folder / "file", "new contents"); });
      const std::string found = read_bytes(folder / "file");
      CAPTURE(n, message);
      if (!files.has_failed()) {
        CHECK(message.empty());
        CHECK(found == "new contents");
        break;
      }
      ++failures;
      CHECK((found == "old contents" || (found == "new contents" && n > 4)));
      if (fault == Fault::error_once) CHECK(names_in(folder.path()) == std::vector<std::string>{"file"});
      remove_leftovers(sound, folder.path());
      CHECK(names_in(folder.path()) == std::vector<std::string>{"file"});
    }
    CHECK(failures >= 6);  // open, write, fsync, close, rename, open, fsync
  }
}

TEST_CASE("A full disk is an Error that names file and reason") {
  TemporaryFolder folder;
  FaultyFileSystem files(2, Fault::error_once, ENOSPC);
  const std::string message = message_of<Error>([&] { replace_file(files, folder / "file", "contents"); });
  CHECK(message.find("cannot write " + (folder / "file.tmp-").string()) == 0);
  CHECK(message.find("No space left on device") != std::string::npos);
}

TEST_CASE("Short writes and interrupted calls lose nothing") {
  TemporaryFolder folder;
  StutteringFileSystem files;
  std::string contents;
  for (int i = 0; i < 1000; ++i) contents += std::to_string(i) + ' ';
  replace_file(files, folder / "file", contents);
  CHECK(read_bytes(folder / "file") == contents);
}

TEST_CASE("A symbolic link changes its target in one step") {
  TemporaryFolder folder;
  FileSystem files;
  replace_symlink(files, "first", folder / "link");
  replace_symlink(files, "second", folder / "link");
  CHECK(fs::read_symlink(folder / "link") == "second");
  FaultyFileSystem faulty(2, Fault::error_once);
  CHECK_THROWS_AS(replace_symlink(faulty, "third", folder / "link"), Error);
  CHECK(fs::read_symlink(folder / "link") == "second");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"link"});
}

TEST_CASE("Removing a tree removes links and leaves what they point at") {
  TemporaryFolder folder;
  FileSystem files;
  fs::create_directories(folder / "kept");
  write_bytes(folder / "kept/file", "x");
  fs::create_directories(folder / "gone/inner");
  write_bytes(folder / "gone/inner/file", "x");
  fs::create_directory_symlink(folder / "kept", folder / "gone/link");
  remove_tree(files, folder / "gone");
  CHECK_FALSE(fs::exists(folder / "gone"));
  CHECK(read_bytes(folder / "kept/file") == "x");
  CHECK_NOTHROW(remove_tree(files, folder / "gone"));
}

TEST_CASE("A staged folder appears with commit and leaves nothing without") {
  TemporaryFolder folder;
  FileSystem files;
  {
    StagedFolder staged(files, folder / "target");
    write_new_file(files, staged.path() / "file", "x");
    CHECK_FALSE(fs::exists(folder / "target"));
  }
  CHECK(names_in(folder.path()).empty());
  StagedFolder staged(files, folder / "target");
  write_new_file(files, staged.path() / "file", "x");
  staged.commit();
  CHECK(read_bytes(folder / "target/file") == "x");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"target"});
}

TEST_CASE("Replacing a folder never loses both the old and the new one") {
  TemporaryFolder folder;
  FileSystem sound;
  int failures = 0;
  for (int n = 1; n < kMoreCallsThanAny; ++n) {
    remove_tree(sound, folder / "target");
    fs::create_directories(folder / "target");
    write_bytes(folder / "target/file", "old");
    FaultyFileSystem files(n, Fault::error_from_then_on);
    const std::string message = message_of<Error>([&] {
      StagedFolder staged(files, folder / "target");
      write_new_file(files, staged.path() / "file", "new");
      staged.commit();
    });
    CAPTURE(n, message);
    remove_leftovers(sound, folder.path());
    CHECK(names_in(folder.path()) == std::vector<std::string>{"target"});
    const std::string found = read_bytes(folder / "target/file");
    CHECK((found == "old" || found == "new"));
    if (!files.has_failed()) {
      CHECK(found == "new");
      break;
    }
    ++failures;
  }
  CHECK(failures >= 12);
}

TEST_CASE("What a killed process left beside a file or folder goes when it is written anew, and nothing else does") {
  const pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  REQUIRE(::waitpid(gone, nullptr, 0) == gone);
  const std::string mark = ".tmp-", dead = mark + std::to_string(gone), living = mark + std::to_string(::getppid());
  TemporaryFolder folder;
  FileSystem files;
  for (const std::string name : {"page", "set"}) {
    write_bytes(folder / (name + living), "of a living process");
    write_bytes(folder / (name + mark + "x"), "no temporary name");
  }
  write_bytes(folder / ("page" + dead), "half a page");
  write_bytes(folder / ("pages" + dead), "beside another file");
  fs::create_directories(folder / ("set" + dead) / "imgs");
  replace_file(files, folder / "page", "whole");
  StagedFolder(files, folder / "set").commit();
  const std::vector<std::string> expected = {"page", "page" + living, "page" + mark + "x", "pages" + dead,
                                             "set",  "set" + living,  "set" + mark + "x"};
  CHECK(names_in(folder.path()) == [&] {
    std::vector<std::string> sorted = expected;
    std::ranges::sort(sorted);
    return sorted;
  }());
}

TEST_CASE("Only names with a process id at their end count as temporary") {
  CHECK(is_temporary_name("step-00000001.tmp-123"));
  CHECK(is_temporary_name(temporary_path("a/b").filename().string()));
  CHECK_FALSE(is_temporary_name("step-00000001.tmp-"));
  CHECK_FALSE(is_temporary_name("step-00000001.tmp-12x"));
  CHECK_FALSE(is_temporary_name("step-00000001"));
}

TEST_CASE("A record that could not be appended whole is cut off again") {
  TemporaryFolder folder;
  FaultyFileSystem files(3, Fault::error_once);  // open, first record, second record
  AppendFile file(files, folder / "log", /*must_be_new=*/true);
  file.append("first record\n");
  CHECK_THROWS_AS(file.append("second record\n"), Error);
  CHECK(read_bytes(folder / "log") == "first record\n");
  file.append("third record\n");
  CHECK(read_bytes(folder / "log") == "first record\nthird record\n");
}

TEST_CASE("A reader refuses what is no ordinary file and never waits for one") {
  TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(FileReader(folder / "pipe"), InputError);
  CHECK_THROWS_AS(FileReader(folder.path()), InputError);
  CHECK_THROWS_AS(FileReader("/dev/zero"), InputError);
  CHECK_THROWS_AS(FileReader(folder / "missing"), InputError);
  write_bytes(folder / "file", "12345");
  CHECK_THROWS_AS(read_text_file(folder / "file", 4), InputError);
  CHECK(read_text_file(folder / "file", 5) == "12345");
}

}  // namespace cosformer::test
