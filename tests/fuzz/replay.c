/* Runs a driver once for every file of the directories given. */
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#include "fuzz.h"

/* False when there is no such file to run. */
static int
run_file(const char *path)
{
    struct stat st;
    FILE *file = fopen(path, "rb");

    if (file == NULL || fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode)) {
        if (file != NULL)
            fclose(file);
        return 0;
    }
    /* Exactly as large as the input, so that sanitizers see a read beyond. */
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1);

    FUZZ_CHECK(data != NULL && fread(data, 1, size, file) == size);
    fclose(file);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

int
main(int argc, char **argv)
{
    int runs = 0;

    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);

        if (dir == NULL) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            char path[PATH_MAX];

            snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            runs += run_file(path);
        }
        closedir(dir);
    }
    printf("%d inputs\n", runs);
    return runs > 0 ? 0 : 1;
}
