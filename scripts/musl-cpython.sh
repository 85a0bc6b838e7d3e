#!/bin/bash
# Compile a CPython for musl on Debian (amd64), from Debian's source packages, and pack it in the
# shape of python-build-standalone's `install_only` archives:
#
#     scripts/musl-cpython.sh WORK OUT.tar.gz
#
# For the test of a stack that runs with musl (HATCH_VENVLAYER_TEST_MUSL=OUT.tar.gz), which needs
# no more than zlib and ctypes; there is no ssl and no sqlite3. Takes some ten minutes. Needs the
# packages musl, musl-tools, patchelf, dpkg-dev, gcc, make, linux-libc-dev, and `deb-src` among the
# sources of apt. The CPython is Debian's own release of Python 3.
set -euo pipefail
work=$(realpath -m "$1") out=$(realpath -m "$2")
triplet=x86_64-linux-musl
deps=$work/deps
export LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1735689600
mkdir -p "$work/source" "$work/headers" "$work/bin" "$deps"

# The upstream part of a Debian source package, unpacked; apt checks it against the signed index.
unpacked() {
    (cd "$work/source" && apt-get source -q --tar-only "$1" >&2)
    rm -rf "${work:?}/$1" && mkdir "$work/$1"
    tar -xf "$(ls "$work/source/$1"_*.orig.tar.?z* | grep -v asc | head -1)" -C "$work/$1" --strip-components=1
    cd "$work/$1"
}

# musl-gcc knows no headers of the kernel, and names Debian's multiarch folder, which is glibc's.
ln -sfn /usr/include/linux "$work/headers/linux"
ln -sfn /usr/include/asm-generic "$work/headers/asm-generic"
ln -sfn /usr/include/x86_64-linux-gnu/asm "$work/headers/asm"
cat > "$work/bin/cc-musl" <<END
#!/bin/sh
case " \$* " in *-print-multiarch*) echo $triplet; exit ;; esac
exec musl-gcc "\$@" -idirafter $work/headers
END
chmod +x "$work/bin/cc-musl"
export PATH=$work/bin:$PATH CC=cc-musl CFLAGS="-O2 -fPIC"
export PKG_CONFIG_PATH="" PKG_CONFIG_LIBDIR=$deps/lib/pkgconfig

unpacked zlib
./configure --static --prefix="$deps"
make libz.a && make install
unpacked libffi
./configure --build=$triplet --prefix="$deps" --libdir="$deps/lib" --disable-shared --with-pic \
    --disable-docs --disable-multi-os-directory
make && make install

unpacked "$(dpkg-query -W -f '${Depends}' python3 | grep -o 'python3\.[0-9]*' | head -1)"
minor=$(sed -n 's/^#define PY_VERSION *"\(3\.[0-9]*\).*/\1/p' Include/patchlevel.h)
if [ -f setup.py ]; then
    # Up to 3.11 it looks into the folders of the machine, where glibc's libraries are.
    sed -i setup.py \
        -e "s|^    def add_multiarch_paths(self):|&\n        return|" \
        -e "s|^\( *\)system_\(lib\|include\)_dirs = \[.*|\1system_\2_dirs = []|"
fi
# musl's own stack for a thread is too small for deep recursion.
CPPFLAGS="-I$deps/include" LDFLAGS="-L$deps/lib" CFLAGS_NODIST="-DTHREAD_STACK_SIZE=0x100000" \
    ac_cv_buggy_getaddrinfo=no ./configure --build=$triplet --host=$triplet --prefix=/install \
    --enable-shared --without-static-libpython --without-ensurepip --disable-test-modules \
    --with-readline=no --with-dbmliborder=
make -j2
rm -rf "$work/tree" && make install DESTDIR="$work/tree"

cd "$work/tree/install"
rm -rf lib/python"$minor"/{test,idlelib,turtledemo} share/doc
find . -name __pycache__ -type d -prune -exec rm -rf {} +
strip --strip-debug bin/python"$minor" lib/*.so.* lib/python"$minor"/lib-dynload/*.so
patchelf --set-rpath "\$ORIGIN/../lib" bin/python"$minor"
grep -rIlZ "$work" . | xargs -0 -r sed -i "s|$work|/build|g"
bin/python"$minor" -c "import ctypes, sysconfig, zlib; print(sysconfig.get_config_var('SOABI'))"
find . -name __pycache__ -type d -prune -exec rm -rf {} +
tar --sort=name --owner=0 --group=0 --mtime=@$SOURCE_DATE_EPOCH --transform 's|^\.|python|' -c . |
    gzip -9n > "$out"
sha256sum "$out"
