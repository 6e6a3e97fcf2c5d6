# The GoogleTest binaries of unittests/, run through lit.
import os

import lit.formats

config.name = "compress-unit"
config.test_source_root = config.test_exec_root = os.path.join(
    config.compress_build_dir, "unittests")
config.test_format = lit.formats.GoogleTest(".", "")
# Exactly the binaries that the build declares.
config.test_format.test_suffixes = {name for name in config.compress_unittests if name}
config.excludes = []
for variable in ("HOME", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
                 "OMP_NUM_THREADS"):
    if variable in os.environ:
        config.environment[variable] = os.environ[variable]
# Drivers that run Vulkan on the CPU are taken only when asked for.
config.environment["COMPRESS_VULKAN_DEVICE"] = os.environ.get("COMPRESS_VULKAN_DEVICE", "software")
if config.compress_asan_options:
    config.environment.setdefault("ASAN_OPTIONS", config.compress_asan_options)
else:
    config.environment["COMPRESS_TEST_EXHAUSTIVE"] = "1"  # too slow when sanitized
for name in sorted(config.test_format.test_suffixes):
    if not os.path.exists(os.path.join(config.test_source_root, name)):
        lit_config.warning(f"unit test {name} is not built: its tests do not run")
